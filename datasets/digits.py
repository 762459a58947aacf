"""1,797 handwritten digits that come with scikit-learn (UCI, 1998): real images without a download."""

import numpy as np

from datasets import ImageDataset


def load(size=16):
    """The 8 x 8 digits as an `ImageDataset` of `(1, size, size)` images; every fifth is a test image."""
    from scipy.ndimage import zoom  # both are slow to import, and only this dataset needs them
    from sklearn.datasets import load_digits

    digits = load_digits()  # values 0 to 16
    factor = size / digits.images.shape[1]
    enlarged = zoom(digits.images, (1, factor, factor), order=1, mode="nearest", grid_mode=True)
    images = np.rint(enlarged * (255 / 16)).astype(np.uint8)[:, None]
    labels = digits.target.astype(np.int32)
    classes = tuple(str(digit) for digit in digits.target_names)
    test = np.arange(len(labels)) % 5 == 4
    parts = images[~test], labels[~test], images[test], labels[test]
    return ImageDataset("digits", classes, *parts, flip=False)
