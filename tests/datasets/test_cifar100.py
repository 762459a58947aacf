import numpy as np
import pytest

from datasets import ImageOptions, cifar100, load_images
from errors import UserError

FILES = {"train.bin": 6, "test.bin": 4}
NAMES = {
    "coarse_label_names.txt": "\n".join(f"group{k}" for k in range(20)),
    "fine_label_names.txt": "\n".join(f"class{k}" for k in range(100)),
}


@pytest.fixture
def folder(tmp_path):
    """The binary form with a few records."""
    place = tmp_path / "cifar-100-binary"
    place.mkdir()
    rng = np.random.default_rng(0)
    for name, count in FILES.items():
        records = rng.integers(0, 256, (count, 3074), np.uint8)
        records[:, 0] %= 20
        records[:, 1] %= 100
        (place / name).write_bytes(records.tobytes())
    for name, text in NAMES.items():
        (place / name).write_text(text)
    return place


def test_the_published_archive():
    assert (cifar100.ARCHIVE.name, cifar100.ARCHIVE.size) == ("cifar-100-binary.tar.gz", 168_513_733)
    assert cifar100.ARCHIVE.sha256 == "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec"


@pytest.mark.parametrize("coarse, byte, classes", [(False, 1, 100), (True, 0, 20)])
def test_a_record_is_the_coarse_and_the_fine_label_and_three_planes(folder, coarse, byte, classes):
    dataset = cifar100.load(folder.parent, coarse=coarse, files=FILES)
    for name, images, labels in (
        ("train.bin", dataset.train_images, dataset.train_labels),
        ("test.bin", dataset.test_images, dataset.test_labels),
    ):
        raw = np.frombuffer((folder / name).read_bytes(), np.uint8).reshape(-1, 3074)
        np.testing.assert_array_equal(labels, raw[:, byte])
        np.testing.assert_array_equal(images, raw[:, 2:].reshape(-1, 3, 32, 32))
    assert len(dataset.classes) == classes and dataset.classes[3] == ("group3" if coarse else "class3")
    assert (dataset.flip, dataset.pad, dataset.split_seed, labels.dtype) == (True, 4, 0, np.int32)


def change(path, place, value):
    data = bytearray(path.read_bytes())
    data[place] = value
    path.write_bytes(data)


@pytest.mark.parametrize(
    "spoil, words",
    [
        (lambda folder: change(folder / "test.bin", 0, 20), "test.bin of .* has the label 20, not one of 0 to 19"),
        (lambda folder: change(folder / "train.bin", 3074 + 1, 100), "train.bin of .* has the label 100, not one of 0 to 99"),
        (lambda folder: (folder / "train.bin").unlink(), "incomplete: it lacks train.bin"),
        (lambda folder: (folder / "test.bin").write_bytes(b"x"), "test.bin of .* has 1 bytes instead of 12,296"),
        (lambda folder: (folder / "fine_label_names.txt").unlink(), "lacks the 100 names in fine_label_names.txt"),
        (lambda folder: (folder / "fine_label_names.txt").write_text("a b"), "lacks the 100 names"),
    ],
)
def test_damaged_data_are_one_line(folder, spoil, words):
    spoil(folder)
    with pytest.raises(UserError, match=words):
        cifar100.load(folder, files=FILES)


def test_its_place_is_named(tmp_path):
    with pytest.raises(UserError, match=f"no CIFAR-100 in {tmp_path}: it is empty; it must hold cifar-100-binary.tar.gz or"):
        load_images(ImageOptions("cifar100", str(tmp_path)))
