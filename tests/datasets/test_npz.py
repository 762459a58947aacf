import pickle
import zipfile

import numpy as np
import pytest

from datasets import ImageOptions, load_images, stored
from errors import UserError

RNG = np.random.default_rng(0)
TRAIN, TEST = (RNG.integers(0, 256, (count, 3, 10, 12), np.uint8) for count in (30, 6))  # NCHW
Y_TRAIN, Y_TEST = np.arange(30) % 3, np.arange(6) % 3


def load(path, **options):
    return load_images(ImageOptions("npz", str(path), **options), lambda line: None)


def save(folder, compressed=False, **changes):
    """The .npz file with some arrays changed; None leaves one out."""
    arrays = {"x_train": TRAIN, "y_train": Y_TRAIN, "x_test": TEST, "y_test": Y_TEST} | changes
    path = folder / "own.npz"
    arrays = {name: array for name, array in arrays.items() if array is not None}
    (np.savez_compressed if compressed else np.savez)(path, **arrays)
    return path


def in_order(dataset):
    """Training images in the order of the file, and their labels."""
    order = np.argsort(dataset.train_images.rows)
    return dataset.train_images[order], dataset.train_labels[order]


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("fortran", [False, True])
@pytest.mark.parametrize("last", [False, True])
def test_both_layouts_give_the_same_images(tmp_path, last, fortran, compressed):
    form = (lambda images: images.transpose(0, 2, 3, 1)) if last else (lambda images: images)
    order = np.asfortranarray if fortran else np.ascontiguousarray
    path = save(tmp_path, compressed, x_train=order(form(TRAIN)), x_test=order(form(TEST)), y_train=Y_TRAIN[:, None])
    dataset = load(path)
    images, labels = in_order(dataset)
    np.testing.assert_array_equal(images, TRAIN)
    np.testing.assert_array_equal(labels, Y_TRAIN)
    np.testing.assert_array_equal(dataset.test_images[:], TEST)
    np.testing.assert_array_equal(dataset.test_labels, Y_TEST)
    assert (dataset.name, dataset.classes, dataset.image_shape) == ("npz", ("0", "1", "2"), (3, 10, 12))
    assert dataset.test_images.names()[2] == "x_test[2]" and sorted(dataset.train_images.names())[0] == "x_train[0]"
    assert (dataset.flip, dataset.test_drawn, dataset.split_seed, labels.dtype) == (False, False, 0, np.int32)


@pytest.mark.parametrize("form", [lambda images: images, lambda images: images[:, None], lambda images: images[..., None]])
def test_gray_images(tmp_path, form):
    path = save(tmp_path, x_train=form(TRAIN[:, 0]), x_test=form(TEST[:, 0]))
    np.testing.assert_array_equal(in_order(load(path))[0], TRAIN[:, :1])


def test_a_validation_part_and_no_test_part(tmp_path):
    path = save(tmp_path, x_val=TEST, y_val=Y_TEST, x_test=None, y_test=None)
    dataset = load(path)
    np.testing.assert_array_equal(dataset.valid_images[:], TEST)
    assert dataset.test_drawn and (len(dataset.train_labels), len(dataset.test_labels)) == (24, 6)


@pytest.mark.parametrize(
    "y_train, y_test, classes",
    [
        (Y_TRAIN * 10 - 7, Y_TEST * 10 - 7, ("-7", "3", "13")),
        (np.array(["cat", "dog", "eel"])[Y_TRAIN], np.array(["cat", "dog", "eel"])[Y_TEST], ("cat", "dog", "eel")),
        (np.array([b"cat", b"dog", b"eel"])[Y_TRAIN], np.array([b"cat", b"dog", b"eel"])[Y_TEST], ("cat", "dog", "eel")),
        (Y_TRAIN.astype(np.uint8), Y_TEST.astype(np.int64), ("0", "1", "2")),
    ],
)
def test_labels_of_every_kind(tmp_path, y_train, y_test, classes):
    dataset = load(save(tmp_path, y_train=y_train, y_test=y_test))
    assert dataset.classes == classes
    np.testing.assert_array_equal(in_order(dataset)[1], Y_TRAIN)
    np.testing.assert_array_equal(dataset.test_labels, Y_TEST)


def test_named_classes_may_have_no_image(tmp_path):
    dataset = load(save(tmp_path, class_names=np.array(["cat", "dog", "eel", "fox"])))
    assert dataset.classes == ("cat", "dog", "eel", "fox")


def test_one_class_and_a_thousand(tmp_path):
    assert load(save(tmp_path, y_train=Y_TRAIN * 0, y_test=Y_TEST * 0)).classes == ("0",)
    labels = np.arange(1000)
    images = np.zeros((1000, 8, 8), np.uint8)
    assert len(load(save(tmp_path, x_train=images, y_train=labels, x_test=images[:3], y_test=labels[:3])).classes) == 1000
    labels = np.arange(1001)
    images = np.zeros((1001, 8, 8), np.uint8)
    with pytest.raises(UserError, match="npz has 1,001 classes; 1 to 1,000 are supported"):
        load(save(tmp_path, x_train=images, y_train=labels, x_test=images[:3], y_test=labels[:3]))


BAD = {
    "both-last-and-first": ({"x_train": TRAIN[:, :, :, :3]}, r"x_train in .* \(30, 3, 10, 3\), which could be NHWC or NCHW"),
    "neither": ({"x_train": TRAIN.reshape(30, 10, 6, 6)}, "1 or 3 channels neither first nor last"),
    "two-dimensions": ({"x_train": TRAIN[:, 0, 0]}, r"has the shape \(30, 12\); images must be"),
    "float-images": ({"x_train": TRAIN / 255}, "x_train in .* is float64; images must be uint8"),
    "parts-that-differ": ({"x_test": TEST[:, :, :8]}, r"differ in size: x_train \(30, 3, 10, 12\), x_test \(6, 3, 8, 12\)"),
    "layouts-that-differ": ({"x_test": TEST.transpose(0, 2, 3, 1)}, "differ in size"),
    "too-few-labels": ({"y_train": Y_TRAIN[:-1]}, r"y_train in .* \(29,\) for 30 images; it must be \(30,\)"),
    "one-hot": ({"y_train": np.eye(3)[Y_TRAIN]}, "not one-hot rows"),
    "float-labels": ({"y_train": Y_TRAIN / 2}, "y_train in .* is float64; labels must be whole numbers or strings"),
    "a-label-only-in-test": ({"y_test": Y_TEST + 1}, "y_test in .* has the label 3, which y_train lacks"),
    "a-label-without-a-name": ({"class_names": np.array(["a", "b"])}, "has the label 2, not one of 0 to 1"),
    "names-that-are-numbers": ({"class_names": np.arange(3)}, "class names in .* must be a list of strings"),
    "no-training-part": ({"x_train": None, "y_train": None}, r"has no x_train and y_train \(it has x_test, y_test\)"),
    "images-without-labels": ({"y_test": None}, "has x_test but no y_test"),
    "labels-without-images": ({"x_train": None}, "has y_train but no x_train"),
    "no-image": ({"x_test": TEST[:0], "y_test": Y_TEST[:0]}, "n at least 1"),
    "objects": ({"y_train": Y_TRAIN.astype(object)}, "y_train in .* holds Python objects, which are not unpickled"),
    "tiny-images": ({"x_train": TRAIN[:, :, :4], "x_test": TEST[:, :, :4]}, "4x12 pixels; each side may have 8 to 1024 pixels"),
}


@pytest.mark.parametrize("kind", BAD)
def test_what_cannot_be_is_one_line_with_the_name_of_the_file(tmp_path, kind):
    changes, words = BAD[kind]
    path = save(tmp_path, **changes)
    with pytest.raises(UserError, match=words) as error:
        load(path)
    assert "\n" not in str(error.value) and sorted(tmp_path.iterdir()) == [path]


def cut(path):
    path.write_bytes(path.read_bytes()[:-200])


def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 3] ^= 255
    path.write_bytes(data)


def head_that_promises_more(path):
    with zipfile.ZipFile(path) as file:
        parts = {name: file.read(name) for name in file.namelist()}
    parts["x_train.npy"] = parts["x_train.npy"].replace(b"(30, 3", b"(90, 3")
    with zipfile.ZipFile(path, "w") as file:
        for name, data in parts.items():
            file.writestr(name, data)


class Trap:
    def __reduce__(self):
        return exec, ("raise SystemExit('unpickled')",)


@pytest.mark.parametrize(
    "spoil",
    [
        cut, flip, head_that_promises_more, lambda path: path.write_bytes(b""), lambda path: path.write_bytes(b"no zip"),
        lambda path: path.write_bytes(pickle.dumps(Trap())), lambda path: path.unlink(),
    ],
)  # fmt: skip
def test_damaged_files_are_one_line(tmp_path, spoil):
    path = save(tmp_path)
    spoil(path)
    with pytest.raises(UserError, match=str(path)) as error:
        load(path)
    assert "\n" not in str(error.value)


def test_no_file_or_a_folder(tmp_path):
    with pytest.raises(UserError, match="needs --data-dir FILE.npz"):
        load_images(ImageOptions("npz"))
    with pytest.raises(UserError, match="is a folder; .* --dataset folder takes images"):
        load(tmp_path)


def test_images_that_are_many_lie_in_a_file_beside(tmp_path, monkeypatch):
    path, lines = save(tmp_path, True, x_train=TRAIN.transpose(0, 2, 3, 1), x_test=TEST.transpose(0, 2, 3, 1)), []
    small = load(path)
    monkeypatch.setattr(stored, "memory", lambda: 4 * (TRAIN.nbytes + TEST.nbytes) - 4)
    for _ in range(2):
        dataset = load_images(ImageOptions("npz", str(path)), lines.append)
        assert isinstance(dataset.train_images.source, np.memmap)
        np.testing.assert_array_equal(in_order(dataset)[0], TRAIN)
    assert len(lines) == 1 and "36 decoded images" in lines[0]
    assert dataset.sha256 == small.sha256 and len(list(tmp_path.iterdir())) == 3
    path = save(tmp_path, True, x_train=255 - TRAIN)
    np.testing.assert_array_equal(in_order(load(path))[0], 255 - TRAIN)
    assert load(path).sha256 != small.sha256 and len(list(tmp_path.iterdir())) == 3


def test_the_fingerprint_is_of_everything(tmp_path):
    kinds = [
        {}, {"y_test": Y_TEST[::-1]}, {"x_test": 255 - TEST}, {"class_names": np.array(list("abc"))},
        {"x_test": None, "y_test": None},
    ]  # fmt: skip
    found = {load(save(tmp_path, **changes)).sha256 for changes in kinds}
    assert len(found) == len(kinds)
    assert load(save(tmp_path, True)).sha256 == load(save(tmp_path)).sha256  # of the content, not of the file
