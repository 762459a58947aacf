"""CIFAR-100 (Krizhevsky, 2009) in its binary form: 60,000 color images of 32 x 32 pixels in 100 classes, or in 20."""

from datasets import ImageDataset, cifar
from datasets.download import RemoteFile
from errors import UserError

ARCHIVE = RemoteFile(
    "https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz",
    168_513_733,
    "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec",
)
FILES = {"train.bin": 50_000, "test.bin": 10_000}
COARSE, FINE = 0, 1  # the two label bytes of a record, in this order
CLASS_COUNTS = (20, 100)
CLASS_NAMES_FILES = ("coarse_label_names.txt", "fine_label_names.txt")


def load(data_dir=None, log=print, coarse=False, files=None):
    """CIFAR-100 as an `ImageDataset`, with the fine labels or, `coarse`, with those of the 20 groups of five; see `cifar.read`.

    `data_dir` holds cifar-100-binary.tar.gz or the folder cifar-100-binary, or is one of the two. `files`: how many images each
    of FILES has. What validates a search is drawn, stratified.
    """
    files = files or FILES
    layout = cifar.Layout("CIFAR-100", ARCHIVE, "cifar-100-binary", files, CLASS_COUNTS, CLASS_NAMES_FILES)
    images, labels, names = cifar.read(layout, data_dir, log)
    kind = COARSE if coarse else FINE
    if CLASS_NAMES_FILES[kind] not in names:
        raise UserError(f"CIFAR-100 lacks the {CLASS_COUNTS[kind]} names in {CLASS_NAMES_FILES[kind]}; {cifar.MEND}")
    labels, end = labels[:, kind].copy(), files["train.bin"]
    parts = images[:end], labels[:end], images[end:], labels[end:]
    return ImageDataset("cifar100", names[CLASS_NAMES_FILES[kind]], *parts, flip=True, split_seed=0)
