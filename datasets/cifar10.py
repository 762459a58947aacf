"""CIFAR-10 (Krizhevsky, 2009) in its binary form: 60,000 color images of 32 x 32 pixels in ten classes."""

from datasets import ImageDataset, cifar
from datasets.download import RemoteFile

ARCHIVE = RemoteFile(
    "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
    170_052_171,
    "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
)
BATCHES = (*(f"data_batch_{k}.bin" for k in range(1, 6)), "test_batch.bin")
CLASS_NAMES_FILE = "batches.meta.txt"
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
RECORDS = 10_000  # in each file


def load(data_dir=None, log=print, records=RECORDS):
    """CIFAR-10 as an `ImageDataset`, `5 * records` training and `records` test images; see `cifar.read`.

    `data_dir` holds cifar-10-binary.tar.gz or the folder cifar-10-batches-bin, or is one of the two. `records` is the number of
    images in each of the six files. The last training images validate, as in the authors' code.
    """
    layout = cifar.Layout(
        "CIFAR-10", ARCHIVE, "cifar-10-batches-bin", dict.fromkeys(BATCHES, records), (len(CLASSES),), (CLASS_NAMES_FILE,)
    )
    images, labels, names = cifar.read(layout, data_dir, log)
    classes, labels, end = names.get(CLASS_NAMES_FILE, CLASSES), labels[:, 0].copy(), -records
    return ImageDataset("cifar10", classes, images[:end], labels[:end], images[end:], labels[end:], flip=True)
