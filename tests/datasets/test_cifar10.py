import gzip
import hashlib
import io
import tarfile

import numpy as np
import pytest

from datasets import ImageOptions, cifar10, load_images
from datasets.download import RemoteFile
from errors import UserError

RECORDS, RECORD = 3, 3073  # of a small file; bytes of one
MARVELS = b"\n".join(b"marvel%d" % k for k in range(10)) + b"\n\n"


def make_files(seed=0, records=RECORDS):
    """The six files of `records` random images each, as bytes by name."""
    rng = np.random.default_rng(seed)
    files = {}
    for name in cifar10.BATCHES:
        data = rng.integers(0, 256, (records, RECORD), np.uint8)
        data[:, 0] %= 10
        files[name] = data.tobytes()
    return files


def write_folder(folder, files):
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)


def archive_bytes(files, prefix="cifar-10-batches-bin/", extra=()):
    """A .tar.gz with these files and the TarInfos of `extra` (contents empty)."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(prefix + name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
        for member in extra:
            tar.addfile(member)
    return buffer.getvalue()


def load(place):
    return cifar10.load(place, records=RECORDS)


def refusal(place):
    with pytest.raises(UserError) as error:
        load(place)
    assert "\n" not in str(error.value)
    return str(error.value)


def check(dataset, files):
    """Compare with the documented layout: the label, then 1024 red, 1024 green and 1024 blue values."""
    images = np.concatenate([dataset.train_images, dataset.test_images])
    labels = np.concatenate([dataset.train_labels, dataset.test_labels])
    raw = b"".join(files[name] for name in cifar10.BATCHES)
    assert images.shape == (6 * RECORDS, 3, 32, 32)
    for k in range(6 * RECORDS):
        record = raw[k * 3073 : (k + 1) * 3073]
        assert labels[k] == record[0]
        assert images[k, 0].tobytes() == record[1:1025]
        assert images[k, 2, 31, 30] == record[1 + 2 * 1024 + 31 * 32 + 30]


def test_the_official_sizes():
    assert cifar10.RECORDS * RECORD == 30_730_000


@pytest.mark.parametrize("given", ["", "cifar-10-batches-bin"])
def test_an_unpacked_folder(tmp_path, given):
    files = make_files()
    write_folder(tmp_path / "cifar-10-batches-bin", files)
    dataset = load(tmp_path / given)
    check(dataset, files)
    assert (dataset.train_images.dtype, dataset.train_labels.dtype) == (np.uint8, np.int32)
    assert dataset.train_images.shape == (5 * RECORDS, 3, 32, 32)
    assert (dataset.name, dataset.image_shape, dataset.pad, dataset.flip) == ("cifar10", (3, 32, 32), 4, True)
    assert dataset.classes[0] == "airplane"


def test_the_six_files_under_another_folder_name(tmp_path):
    files = make_files()
    write_folder(tmp_path / "data", files)
    check(load(str(tmp_path / "data")), files)


@pytest.mark.parametrize("given", ["", "cifar-10-binary.tar.gz"])
@pytest.mark.parametrize("prefix", ["cifar-10-batches-bin/", "./cifar-10-batches-bin/"])
def test_an_archive(tmp_path, given, prefix):
    files = make_files()
    (tmp_path / "cifar-10-binary.tar.gz").write_bytes(
        archive_bytes({"batches.meta.txt": MARVELS, **files, "readme.html": b"hello"}, prefix)
    )
    dataset = load(tmp_path / given)
    check(dataset, files)
    assert dataset.classes == tuple(f"marvel{k}" for k in range(10))


def test_an_unpacked_folder_comes_before_the_archive(tmp_path):
    files = make_files(1)
    write_folder(tmp_path / "cifar-10-batches-bin", files)
    (tmp_path / "cifar-10-binary.tar.gz").write_bytes(archive_bytes(make_files(2)))
    check(load(tmp_path), files)


@pytest.mark.parametrize(
    "text, first", [(MARVELS, "marvel0"), (b"only\ntwo\n", "airplane"), (b"\xff\x00", "airplane")]
)
def test_class_names(tmp_path, text, first):
    write_folder(tmp_path / "cifar-10-batches-bin", {**make_files(), "batches.meta.txt": text})
    classes = load(tmp_path).classes
    assert len(classes) == 10
    assert classes[0] == first


def test_foreign_members_of_an_archive_are_not_touched(tmp_path):
    foreign = [
        tarfile.TarInfo(name)
        for name in ("../escaped", "/absolute", "x/../../up", "cifar-10-batches-bin/own")
    ]
    files = make_files()
    place = tmp_path / "in" / "cifar-10-binary.tar.gz"
    place.parent.mkdir()
    place.write_bytes(archive_bytes(files, extra=foreign))
    check(load(place), files)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["cifar-10-binary.tar.gz", "in"]


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE])
def test_a_link_in_place_of_a_file_is_not_followed(tmp_path, kind):
    files = make_files()
    secret = tmp_path / "secret"
    secret.write_bytes(files.pop("test_batch.bin"))
    link = tarfile.TarInfo("cifar-10-batches-bin/test_batch.bin")
    link.type, link.linkname = kind, str(secret)
    (tmp_path / "cifar-10-binary.tar.gz").write_bytes(archive_bytes(files, extra=[link]))
    assert "incomplete: it lacks test_batch.bin" in refusal(tmp_path)


def test_files_outside_the_expected_folder_do_not_count(tmp_path):
    files = make_files()
    (tmp_path / "cifar-10-binary.tar.gz").write_bytes(archive_bytes(files, "../cifar-10-batches-bin/"))
    assert f"incomplete: it lacks {', '.join(files)}" in refusal(tmp_path)


@pytest.mark.parametrize(
    "change, size", [(lambda c: c[:-1], "9,218"), (lambda c: c + b"!", "9,220"), (lambda c: b"", "0")]
)
def test_a_file_of_another_size(tmp_path, change, size):
    files = make_files()
    files["data_batch_4.bin"] = change(files["data_batch_4.bin"])
    write_folder(tmp_path / "a" / "cifar-10-batches-bin", files)
    (tmp_path / "cifar-10-binary.tar.gz").write_bytes(archive_bytes(files))
    for place in (tmp_path / "a", tmp_path):
        text = refusal(place)
        assert text.startswith("data_batch_4.bin of")
        assert f"has {size} bytes instead of 9,219" in text


def test_a_label_that_is_no_class(tmp_path):
    files = make_files()
    files["data_batch_2.bin"] = (
        files["data_batch_2.bin"][:-3073] + b"\x0a" + files["data_batch_2.bin"][-3072:]
    )
    write_folder(tmp_path / "cifar-10-batches-bin", files)
    text = refusal(tmp_path)
    assert text.startswith("data_batch_2.bin of")
    assert "has the label 10, not one of 0 to 9" in text


def test_missing_files_are_named(tmp_path):
    files = make_files()
    del files["data_batch_1.bin"], files["test_batch.bin"]
    write_folder(tmp_path / "cifar-10-batches-bin", files)
    assert "incomplete: it lacks data_batch_1.bin, test_batch.bin" in refusal(tmp_path)


def test_no_data_at_all(tmp_path):
    assert f"no CIFAR-10 in {tmp_path}/nowhere: no such folder" in refusal(tmp_path / "nowhere")
    assert f"no CIFAR-10 in {tmp_path}: it is empty; it must hold" in refusal(tmp_path)
    for name in "bcdefga":
        (tmp_path / name).touch()
    assert "found a, b, c, d, e and 2 more; it must hold cifar-10-binary.tar.gz or" in refusal(tmp_path)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_truncated_archive(tmp_path, share):
    whole = archive_bytes(make_files())
    place = tmp_path / "cifar-10-binary.tar.gz"
    place.write_bytes(whole[: int(share * len(whole))])
    assert refusal(tmp_path).startswith(f"cannot read {place}: Compressed file ended")


def test_a_damaged_archive(tmp_path):
    place = tmp_path / "cifar-10-binary.tar.gz"
    whole = archive_bytes(make_files())
    place.write_bytes(whole[:-8] + b"\0\0\0\0" + whole[-4:])  # gzip's checksum of the content
    assert "CRC check failed" in refusal(tmp_path)
    place.write_bytes(whole[:2000] + b"\xff" * 2000 + whole[4000:])
    assert refusal(tmp_path).startswith(f"cannot read {place}: ")
    place.write_bytes(whole[:10] + b"\xff" * 100)  # no such kind of compressed block
    assert "invalid block type" in refusal(tmp_path)
    place.write_bytes(b"<html>not an archive</html>")
    assert "Not a gzipped file" in refusal(tmp_path)
    place.write_bytes(gzip.compress(b"not a tar file"))
    assert refusal(tmp_path).startswith(f"cannot read {place}: ")


def test_damage_in_the_middle_of_a_file(tmp_path):
    records = 50  # 150 kB a file, more than all buffers between gzip and the reader
    whole = archive_bytes(make_files(records=records))
    place = tmp_path / "cifar-10-binary.tar.gz"
    place.write_bytes(whole[:200_000] + b"\xff" * 70_000 + whole[270_000:])
    with pytest.raises(UserError, match="cannot read .* while decompressing data"):
        cifar10.load(tmp_path, records=records)


def test_a_file_that_may_not_be_read(tmp_path, monkeypatch):
    place = tmp_path / "cifar-10-binary.tar.gz"
    place.write_bytes(archive_bytes(make_files()))

    def denied(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(gzip, "open", denied)
    assert refusal(tmp_path) == f"cannot read {place}: Permission denied; download or unpack it again"


def test_download(site, monkeypatch, tmp_path):
    files = make_files()
    site.content = archive_bytes(files)
    digest = hashlib.sha256(site.content).hexdigest()
    remote = RemoteFile(f"{site.url}/cifar-10-binary.tar.gz", len(site.content), digest)
    monkeypatch.setattr(cifar10, "ARCHIVE", remote)
    monkeypatch.setenv("HOME", str(tmp_path))
    check(load(None), files)
    assert (tmp_path / "nnabla_data" / "cifar-10-binary.tar.gz").read_bytes() == site.content


def test_the_three_ways_out_without_a_network(site, monkeypatch, tmp_path):
    remote = RemoteFile(f"{site.url}/absent/cifar-10-binary.tar.gz", 10, "0")
    monkeypatch.setattr(cifar10, "ARCHIVE", remote)
    monkeypatch.setenv("HOME", str(tmp_path))
    text = refusal(None)
    assert f"put the archive at {tmp_path}/nnabla_data/cifar-10-binary.tar.gz, or give --data-dir DIR" in text
    assert "--dataset digits" in text


def test_load_images_knows_its_names(tmp_path):
    with pytest.raises(UserError, match="unknown image dataset 'cifar11'; choose one of cifar10, cifar100, digits, folder, npz"):
        load_images("cifar11")
    with pytest.raises(UserError, match="no CIFAR-10 in"):
        load_images(ImageOptions("cifar10", tmp_path))
