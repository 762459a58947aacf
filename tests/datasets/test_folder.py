import os
import shutil

import numpy as np
import pytest
from PIL import Image

from datasets import ImageOptions, load_images, picture_cache, stored
from datasets.pictures import read_picture
from errors import UserError
from tests.toys import snapshot

CLASSES = ("ant", "bee", "cow fly")
SUFFIXES = ("png", "jpg", "jpeg", "bmp", "webp")


def picture(number, height=12, width=10, mode="RGB"):
    """Another one for every number."""
    rng = np.random.default_rng(number)
    pixels = rng.integers(0, 256, (height, width, 3), np.uint8)
    return Image.fromarray(pixels).convert(mode)


def fill(place, count, first=0, suffixes=SUFFIXES, **kind):
    place.mkdir(parents=True)
    for number in range(count):
        picture(first + number, **kind).save(place / f"{number}.{suffixes[number % len(suffixes)]}")


@pytest.fixture
def whole(tmp_path):
    """One set of three classes with 10 pictures each."""
    for index, name in enumerate(CLASSES):
        fill(tmp_path / "own" / name, 10, 100 * index)
    return tmp_path / "own"


@pytest.fixture
def divided(tmp_path):
    """train/, val/ and test/ of three classes with 4, 1 and 2 pictures each."""
    for place, (part, count) in enumerate({"train": 4, "val": 1, "test": 2}.items()):
        for index, name in enumerate(CLASSES):
            fill(tmp_path / "own" / part / name, count, 100 * index + 10 * place)
    return tmp_path / "own"


def load(folder, size=None, log=lambda line: None, **options):
    return load_images(ImageOptions("folder", str(folder), size, **options), log)


def check(root, images, labels, classes=CLASSES):
    """Are the images of `Picked` the pictures that their names say, of the classes that their folders say?"""
    for image, label, name in zip(images[:], labels, images.names(), strict=True):
        np.testing.assert_array_equal(image, read_picture(root / name, images.shape[1:]))
        assert classes[label] == os.path.basename(os.path.dirname(name))


def test_one_set_is_divided(whole):
    dataset = load(whole)
    assert (dataset.name, dataset.classes, dataset.image_shape, dataset.flip) == ("folder", CLASSES, (3, 12, 10), False)
    assert np.bincount(dataset.train_labels).tolist() == [8] * 3 and np.bincount(dataset.test_labels).tolist() == [2] * 3
    assert not set(dataset.train_images.names()) & set(dataset.test_images.names())
    check(whole, dataset.train_images, dataset.train_labels)
    check(whole, dataset.test_images, dataset.test_labels)
    assert load(whole, split_seed=0).test_images.names() == dataset.test_images.names()
    assert load(whole, split_seed=1).test_images.names() != dataset.test_images.names()


@pytest.mark.parametrize("names", [{}, {"train": "training", "val": "valid", "test": "testing"}])
def test_a_divided_set_stays_so(divided, names):
    for name, other in names.items():
        (divided / name).rename(divided / other)
    dataset = load(divided)
    parts = {
        "train": (dataset.train_images, dataset.train_labels, 4), "val": (dataset.valid_images, dataset.valid_labels, 1),
        "test": (dataset.test_images, dataset.test_labels, 2),
    }  # fmt: skip
    for part, (images, labels, count) in parts.items():
        assert np.bincount(labels).tolist() == [count] * 3
        assert {name.split("/")[0] for name in images.names()} == {names.get(part, part)}
        check(divided, images, labels)
    assert dataset.train_labels.tolist() != sorted(dataset.train_labels)


def test_a_size_and_gray(whole):
    assert load(whole, "9x17").image_shape == (3, 9, 17)
    assert load(whole, "28").image_shape == (3, 28, 28)
    for number, path in enumerate(sorted(whole.rglob("*.*"))):
        if path.suffix == ".png":
            picture(number, mode="L").save(path)
        elif path.is_file():
            path.unlink()
    shutil.rmtree(whole / ".decoded")
    picture(1, mode="1").save(whole / "ant" / "1.png")
    dataset = load(whole, "20")
    assert dataset.image_shape == (1, 20, 20)
    check(whole, dataset.train_images, dataset.train_labels)
    picture(2).save(whole / "ant" / "2.png")
    assert load(whole, "20").image_shape == (3, 20, 20)  # one colored picture among gray ones


def test_pictures_of_different_sizes_need_one(whole):
    picture(5, 14, 14).save(whole / "bee" / "0.png")
    with pytest.raises(UserError, match=r"0.png has 12x10 pixels, .*bee/0.png 14x14\); give --image-size N or HxW"):
        load(whole)
    assert load(whole, "16").image_shape == (3, 16, 16)


def test_a_picture_that_the_camera_turned_has_its_shown_size(tmp_path):
    for index in range(6):
        (tmp_path / f"c{index % 2}").mkdir(exist_ok=True)
        exif = Image.Exif()
        exif[274] = 6
        picture(index, 8, 16).save(tmp_path / f"c{index % 2}" / f"{index}.jpg", exif=exif)
    assert load(tmp_path).image_shape == (3, 16, 8)


def test_pictures_are_decoded_once(whole, monkeypatch):
    lines = []
    first = load(whole, "16", lines.append)
    assert len(lines) == 1 and "writing 30 decoded images" in lines[0]
    before = snapshot(whole)

    def forbidden(*_):
        raise AssertionError("decoded again")

    with monkeypatch.context() as patch:
        patch.setattr(picture_cache, "read_picture", forbidden)
        patch.setattr(picture_cache, "look_at", forbidden)
        again = load(whole, "16", lines.append, split_seed=5)
    assert len(lines) == 1 and again.sha256 == first.sha256 and snapshot(whole) == before
    copy = whole.parent / "copy"  # elsewhere, with other times and no cache
    shutil.copytree(whole, copy, copy_function=shutil.copyfile, ignore=shutil.ignore_patterns(".decoded"))
    assert load(copy, "16").sha256 == first.sha256


@pytest.mark.parametrize("change", ["a picture", "a name", "a class", "one more", "one less", "the size"])
def test_a_change_is_seen(whole, change):
    before = load(whole, "16")
    place = whole / "bee" / "0.png"
    if change == "a picture":
        picture(77).save(place)
    elif change == "a name":
        place.rename(whole / "bee" / "zero.png")
    elif change == "a class":
        place.rename(whole / "ant" / "new.png")
    elif change == "one more":
        picture(77).save(whole / "bee" / "new.png")
    elif change == "one less":
        place.unlink()
    after = load(whole, "17" if change == "the size" else "16")
    assert after.sha256 != before.sha256
    check(whole, after.train_images, after.train_labels)
    check(whole, after.test_images, after.test_labels)
    sizes = {"16x16x3", "17x17x3"} if change == "the size" else {"16x16x3"}
    assert {path.name.partition("-")[0] for path in (whole / ".decoded").glob("*.npy")} == sizes
    assert len(list((whole / ".decoded").iterdir())) == 2 * len(sizes) + 1  # what is outdated has been removed


@pytest.mark.parametrize("damage", ["cut", "removed facts", "no table", "garbage"])
def test_a_damaged_cache_is_written_anew(whole, damage):
    before = load(whole, "16")
    (images,) = (whole / ".decoded").glob("*.npy")
    if damage == "cut":
        images.write_bytes(images.read_bytes()[:-1])
    elif damage == "removed facts":
        images.with_suffix(".json").write_text("[]")
    elif damage == "no table":
        (whole / ".decoded" / "files.json").write_text('{"a": 1}')
    else:
        images.write_bytes(b"garbage")
    after = load(whole, "16")
    assert after.sha256 == before.sha256
    check(whole, after.train_images, after.train_labels)


def test_images_that_are_many_stay_in_their_file(whole, monkeypatch):
    monkeypatch.setattr(stored, "memory", lambda: 4 * 30 * 3 * 12 * 10 - 4)
    dataset = load(whole)
    assert isinstance(dataset.train_images.source, np.memmap)
    check(whole, dataset.train_images, dataset.train_labels)


def test_a_folder_that_cannot_be_written_in(whole, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: False)
    lines, before = [], snapshot(whole)
    dataset = load(whole, None, lines.append)
    check(whole, dataset.train_images, dataset.train_labels)
    assert snapshot(whole) == before and "every run decodes the images again" in lines[0]
    monkeypatch.setattr(stored, "memory", lambda: 1000)
    with pytest.raises(UserError, match="make that folder writable, or choose a smaller --image-size"):
        load(whole)


def test_what_is_no_picture_is_left_out_with_a_line(whole):
    lines = []
    (whole / "ant" / "notes.txt").write_text("x")
    (whole / "bee" / ".DS_Store").write_text("x")
    (whole / "labels.csv").write_text("x")
    fill(whole / "bee" / "deeper" / "still", 2, 50)
    dataset = load(whole, None, lines.append)
    assert "ignoring 1 file without the suffix of an image" in lines[0] and "ant/notes.txt" in lines[0]
    assert np.bincount(np.r_[dataset.train_labels, dataset.test_labels]).tolist() == [10, 12, 10]


def test_copies_are_left_out_with_a_line(whole):
    lines = []
    shutil.copy(whole / "ant" / "0.png", whole / "ant" / "copy.png")
    shutil.copy(whole / "ant" / "0.png", whole / "ant" / "copy2.png")
    names = load(whole, None, lines.append)
    names = [*names.train_images.names(), *names.test_images.names()]
    assert len(names) == 30 and "ant/0.png" in names
    assert "ignoring 2 copies: " in lines[0] and "ant/copy.png is the same as ant/0.png, and 1 more" in lines[0]


def test_a_copy_of_a_test_picture_does_not_train(divided):
    lines = []
    shutil.copy(divided / "test" / "bee" / "0.png", divided / "train" / "bee" / "copy.png")
    dataset = load(divided, None, lines.append)
    assert "test/bee/0.png" in dataset.test_images.names() and "train/bee/copy.png" not in dataset.train_images.names()
    assert "ignoring 1 copy: " in lines[0] and lines[0].endswith("train/bee/copy.png is the same as test/bee/0.png")


def test_links_that_lead_back_up_end(whole):
    (whole / "ant" / "loop").symlink_to(whole / "ant")
    (whole / "bee" / "up").symlink_to(whole)
    lines = []
    with pytest.raises(UserError, match="the same image in two classes"):  # bee/up holds all other classes
        load(whole, None, lines.append)
    (whole / "bee" / "up").unlink()
    assert len(load(whole).train_labels) == 24


def test_one_class_and_classes_with_one_picture(tmp_path):
    fill(tmp_path / "only" / "one", 5)
    assert load(tmp_path / "only").classes == ("one",)
    fill(tmp_path / "few" / "one", 5)
    fill(tmp_path / "few" / "two", 1, 50)
    dataset = load(tmp_path / "few")
    assert 1 in dataset.train_labels and 1 not in dataset.test_labels


def test_a_class_called_train(tmp_path):
    for index, name in enumerate(("bus", "train")):
        fill(tmp_path / name, 3, 10 * index)
    assert load(tmp_path).classes == ("bus", "train")


def test_parts_are_found_in_capitals_too(divided):
    expected = load(divided)
    for part, name in (("train", "Train"), ("val", "Validation"), ("test", "TEST")):
        os.rename(divided / part, divided / name)
    dataset = load(divided)
    assert dataset.classes == CLASSES and dataset.test_images.names()[0] == "TEST/ant/0.png"
    for images in ("train_images", "valid_images", "test_images"):
        assert len(getattr(dataset, images)) == len(getattr(expected, images))


@pytest.mark.parametrize("above", ["dataset", "a/dataset"])
@pytest.mark.parametrize("capitals", [False, True])
def test_a_divided_set_is_not_one_class(divided, above, capitals):
    if capitals:
        os.rename(divided / "test", divided / "Test")
    place = divided.parent / "outer" / above
    place.parent.mkdir(parents=True)
    os.rename(divided, place)
    words = f"holds parts of data, not images of one class: {place}/.*; give {place} in place of {divided.parent / 'outer'}$"
    with pytest.raises(UserError, match=words) as error:
        load(divided.parent / "outer")
    assert "\n" not in str(error.value) and not (divided.parent / "outer" / ".decoded").exists()
    assert load(place).classes == CLASSES


def test_classes_above_parts_are_not_one_set(tmp_path):
    for number, part in enumerate(("train", "test")):
        fill(tmp_path / "ant" / part, 3, 10 * number)
    with pytest.raises(UserError, match=f"{tmp_path}/ant/test, {tmp_path}/ant/train; the parts come first: test/ant/$"):
        load(tmp_path)


def test_a_train_may_be_a_kind_of_a_class(tmp_path):
    for number, place in enumerate(("vehicle/bus", "vehicle/train", "animal/cat")):
        fill(tmp_path / place, 3, 10 * number)
    assert load(tmp_path).classes == ("animal", "vehicle")


def no_test(root):
    shutil.rmtree(root / "test")


BAD = {
    "unreadable": (lambda root: (root / "train/bee/0.png").write_bytes(b"nothing"), "cannot read the image .*train/bee/0.png"),
    "cut": (lambda root: os.truncate(root / "train/bee/1.jpg", 400), "cannot read the image .*train/bee/1.jpg"),
    "empty": (lambda root: os.truncate(root / "test/bee/0.png", 0), "cannot read the image .*test/bee/0.png"),
    "a-link-to-nothing": (lambda root: (root / "train/ant/x.png").symlink_to("none"), "cannot read .*train/ant/x.png"),
    "no-test": (no_test, r"has train/, val/ but no test/; it must hold"),
    "no-train": (lambda root: shutil.rmtree(root / "train"), r"has val/, test/ but no train/"),
    "two-names": (lambda root: fill(root / "valid" / "ant", 1, 999), "several folders for the same part: val, valid; keep one"),
    "two-cases": (lambda root: fill(root / "Train" / "ant", 1, 999), "several folders for the same part: Train, train; keep one"),
    "a-stray-picture": (lambda root: picture(9).save(root / "train/x.png"), "the image .*train/x.png is in no class folder"),
    "an-empty-class": (lambda root: (root / "train/eel").mkdir(), "class folder .*train/eel holds no images"),
    "a-class-only-in-test": (lambda root: fill(root / "test/eel", 1, 999), "test/eel/0.png is of the class eel, which .* lacks"),
    "two-classes": (
        lambda root: shutil.copy(root / "train/ant/0.png", root / "train/bee/x.png"),
        "train/ant/0.png and .*train/bee/x.png are the same image in two classes, ant and bee; remove one",
    ),
    "an-empty-part": (lambda root: [path.unlink() for path in root.glob("val/*/*")], "own/val holds no images"),
    "a-name-that-is-no-text": (
        lambda root: os.rename(root / "train/ant", os.fsencode(root / "train") + b"/\xff"), "is not UTF-8; rename it",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", BAD)
def test_what_cannot_be_is_one_line_and_nothing_is_written(divided, kind):
    spoil, words = BAD[kind]
    spoil(divided)
    before = sorted(divided.rglob("*"))
    with pytest.raises(UserError, match=words) as error:
        load(divided)
    assert "\n" not in str(error.value) and sorted(divided.rglob("*")) == before


def test_one_set_that_cannot_be(tmp_path):
    for place, words in (("none", "no such folder"), ("file", "it is a file"), ("empty", "no class folders in .*found nothing")):
        (tmp_path / "file").write_text("x")
        (tmp_path / "empty").mkdir(exist_ok=True)
        with pytest.raises(UserError, match=words):
            load(tmp_path / place)
    picture(1).save(tmp_path / "empty" / "a.png")
    with pytest.raises(UserError, match="the image .*empty/a.png is in no class folder"):
        load(tmp_path / "empty")
    with pytest.raises(UserError, match="needs --data-dir DIR"):
        load_images(ImageOptions("folder"))
    fill(tmp_path / "single" / "a", 1)
    wanted = "add images, because each class must keep one for training"
    with pytest.raises(UserError, match=f"cannot test folder on 1 of 1 image in 1 class; {wanted}"):
        load(tmp_path / "single")
    fill(tmp_path / "tiny" / "a", 5, height=4)
    with pytest.raises(UserError, match="4x10 pixels; each side may have 8 to 1024"):
        load(tmp_path / "tiny")


def test_all_training_pictures_are_copies(divided):
    shutil.rmtree(divided / "train")
    shutil.copytree(divided / "test", divided / "train")
    with pytest.raises(UserError, match="all training images of .* are copies of test or validation images"):
        load(divided)
    assert not (divided / ".decoded").exists()


@pytest.mark.parametrize("part", ["test", "val"])
def test_all_training_pictures_of_a_class_are_copies(divided, part):
    shutil.rmtree(divided / "train" / "bee")
    (divided / "train" / "bee").mkdir()
    for name in ("a.png", "b.png"):  # copies of one another, too
        shutil.copy(divided / part / "bee" / "0.png", divided / "train" / "bee" / name)
    words = f"all training images of the class bee are copies of .* \\(.*bee/a.png of {part}/bee/0.png\\); add different ones"
    with pytest.raises(UserError, match=words):
        load(divided)
    assert not (divided / ".decoded").exists()
    picture(999).save(divided / "train" / "bee" / "c.png")
    dataset = load(divided)
    assert [*dataset.train_labels].count(1) == 1 and dataset.classes == CLASSES


def test_all_validation_pictures_are_copies(divided):
    shutil.rmtree(divided / "val")
    shutil.copytree(divided / "test", divided / "val")
    with pytest.raises(UserError, match="all validation images of .* are copies of test images"):
        load(divided)
