"""Bad input of every kind, through the scripts: one line on standard error, exit status 2, no traceback, no file changed.

A case is (script, what the folder holds, options, words that the line must have). The scripts run in this process, each with a
folder of its own as the working directory; a few run again as a user starts them.
"""

import fcntl
import gzip
import hashlib
import importlib
import io
import json
import os
import pathlib
import pickle
import shutil
import subprocess
import sys
import tarfile

import h5py
import numpy as np
import pytest

from errors import report_and_exit
from runs.run_directory import RunDirectory
from search_spaces.macro import MacroSpace
from search_spaces.micro import MicroSpace
from search_spaces.recurrent import RecurrentSpace
from tests.toys import snapshot

ROOT = pathlib.Path(__file__).parents[1]
SPACES = {"macro": MacroSpace(4), "micro": MicroSpace(3), "recurrent": RecurrentSpace(5)}
SEARCH = {"macro": "macro_search", "micro": "micro_search", "recurrent": "ptb_search"}
RETRAIN = {"macro": "macro_retrain", "micro": "micro_retrain", "recurrent": "ptb_retrain"}
SCRIPTS = [*SEARCH.values(), *RETRAIN.values()]
USUAL = "-c cpu --preset quick"
CASES = []


def case(script, name, options, words, prepare=lambda folder: None):
    CASES.append(pytest.param(script, options, words, prepare, id=f"{script}-{name}"))


def writing(name, data):
    """Something that writes a file into the folder."""

    def write(folder):
        (folder / name).write_bytes(data)

    return write


# ---- architecture files ---------------------------------------------------------------------------------------------


def npy(array, allow_pickle=False):
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=allow_pickle)
    return stream.getvalue()


def npy_of_shape(shape):
    """A header that promises so much, and 8 bytes."""
    header = f"{{'descr': '<i8', 'fortran_order': False, 'shape': {shape}}}\n".encode()
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(8)


def changed(numbers, value):
    numbers = numbers.copy()
    numbers.flat[numbers.size // 2] = value
    return numbers


GENOTYPE = (
    b"Genotype(normal=[('skip_connect', 0), ('sep_conv_3x3', 1)], normal_concat=[2], "
    b"reduce=[('max_pool_3x3', 0), ('max_pool_3x3', 1)], reduce_concat=[2])"
)


def architecture_files(space):
    """Name of each kind of bad file -> (suffix, bytes, words)."""
    good = SPACES[space].random(np.random.default_rng(0))
    numbers, text, document = good.to_numbers(), good.to_text(), good.to_json()
    other = SPACES["micro" if space != "micro" else "macro"].random(np.random.default_rng(0))
    return {
        "empty": (".npy", b"", ["empty"]),
        "truncated": (".npy", npy(numbers)[:-5], ["damaged"]),
        "only-a-header": (".npy", npy(numbers)[:90], ["header"]),
        "pickled-object-array": (".npy", npy(np.array([{}, 1]), allow_pickle=True), ["object"]),
        "bare-pickle": (".npy", pickle.dumps(numbers), ["header"]),
        "wrong-length": (".npy", npy(np.append(numbers.ravel(), 0)), []),
        "too-short": (".npy", npy(numbers.ravel()[:1]), []),
        "another-space": (".npy", npy(other.to_numbers()), []),
        "operation-out-of-range": (".npy", npy(changed(numbers, 99)), ["99"]),
        "negative": (".npy", npy(changed(numbers, -1)), ["-1"]),
        "float": (".npy", npy(numbers + 0.5), ["float64"]),
        "boolean": (".npy", npy(numbers.astype(bool)), ["bool"]),
        "three-dimensions": (".npy", npy(numbers.reshape(1, 1, -1)), ["3 dimensions, (1, 1,"]),
        "huge-shape": (".npy", npy_of_shape("(1000000000000,)"), ["1000000000000"]),
        "overflowing-shape": (".npy", npy_of_shape("(4611686018427387904, 4)"), ["8 bytes"]),
        "an-npz": (".npy", b"PK\x03\x04" + bytes(60), ["header"]),
        "text-not-utf8": (".txt", b"\xff\xfe0 1", ["UTF-8"]),
        "text-float": (".txt", text.replace(" ", " 0.5 ", 1).encode(), ["0.5"]),
        "text-negative": (".txt", f"-{text}".encode(), ["'-"]),
        "text-cut": (".txt", text.rpartition(" ")[0].encode(), []),
        "text-words": (".txt", b"conv3x3 sepconv3x3", ["conv3x3"]),
        "json-cut": (".json", json.dumps(document)[:-3].encode(), ["JSON"]),
        "json-list": (".json", b"[]", ["list"]),
        "json-deep": (".json", b"[" * 100_000, ["JSON"]),
        "json-another-space": (".json", json.dumps(other.to_json()).encode(), []),
        "json-another-format": (".json", json.dumps(document | {"format": 99}).encode(), ["99"]),
        "json-not-utf8": (".json", b"\xff{}", ["UTF-8"]),
        "another-suffix": (".pkl", pickle.dumps(numbers), [".pkl", "nothing is unpickled"]),
        "two-in-one": (".txt", f"{text}\nval_acc=0.5\n{text}".encode(), ["2 architectures", "keep one"]),
        "an-open-bracket": (".txt", f"[{text}".encode(), ["not closed"]),
        "a-genotype-with-an-unknown-operation": ("", GENOTYPE.replace(b"skip_connect", b"dil_conv_7x7"), ["'dil_conv_7x7'"]),
        "too-large": (".txt", b"0 " * 600_000, ["larger than"]),
    }


for space, script in RETRAIN.items():
    for name, (suffix, data, words) in architecture_files(space).items():
        file = f"bad{suffix}"
        case(script, f"architecture-{name}", f"--recommended-arch {file}", [file, *words], writing(file, data))
    case(script, "architecture-missing", "--recommended-arch none.npy", ["none.npy", "No such file"])
    case(script, "architecture-a-directory", "--recommended-arch x.npy", ["not a file"], lambda at: (at / "x.npy").mkdir())
    case(script, "architecture-a-pipe", "--recommended-arch x.npy", ["not a file"], lambda folder: os.mkfifo(folder / "x.npy"))
    case(script, "architecture-misspelt", f"--recommended-arch {space}.npz", [f"did you mean {space}.npy?"])
    case(script, "architecture-with-a-bracket-open", "--recommended-arch [1,2", ["architecture '[1,2'", "not closed"])
for script in SEARCH.values():
    case(script, "written-to-a-missing-folder", "--recommended-arch none/a.npy", ["no folder none"])
    case(script, "written-over-a-folder", "--recommended-arch a.npy", ["folder"], lambda folder: (folder / "a.npy").mkdir())
case("macro_retrain", "another-num-layers", "--num-layers 5 --recommended-arch macro.npy", ["--num-layers is 5", "has 4"])
case("micro_retrain", "another-num-nodes", "--num-nodes 4 --recommended-arch micro.npy", ["--num-nodes is 4", "has 5"])
case("ptb_retrain", "another-num-nodes", "--num-nodes 4 --recommended-arch recurrent.npy", ["--num-nodes is 4", "has 5"])


# ---- data -----------------------------------------------------------------------------------------------------------

RECORD, BATCH = 3073, 30_730_000
CIFAR = ("data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin", "test_batch.bin")


def unpacked(size=BATCH, label=0, leave_out=(), name="cifar-10-batches-bin"):
    """CIFAR-10 of black airplanes, in files with holes; the second image of the fourth file has another label."""

    def write(folder):
        place = folder / "data" / name
        place.mkdir(parents=True)
        for file in CIFAR:
            if file not in leave_out:
                with open(place / file, "wb") as stream:
                    stream.truncate(size)
        with open(place / CIFAR[3], "r+b") as stream:
            stream.seek(RECORD)
            stream.write(bytes([label]))

    return write


def archive(members, cut=None, compress=True):
    """A .tar.gz of TarInfos (bytes of their size in zeros), `cut` to so many bytes."""

    def write(folder):
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as tar:
            for member in members:
                tar.addfile(member, io.BytesIO(bytes(member.size)))
        data = gzip.compress(buffer.getvalue(), 1) if compress else buffer.getvalue()
        (folder / "data").mkdir()
        (folder / "data" / "cifar-10-binary.tar.gz").write_bytes(data[:cut])

    return write


def member(name, size=0, kind=tarfile.REGTYPE, target=""):
    info = tarfile.TarInfo(name)
    info.size, info.type, info.linkname = size, kind, target
    return info


INSIDE = "cifar-10-batches-bin/"
OUTSIDE = [member(f"../{name}", 10) for name in CIFAR]
LINKS = [member(INSIDE + name, 0, tarfile.SYMTYPE, "/etc/passwd") for name in CIFAR]
HARD_LINKS = [member(INSIDE + name, 0, tarfile.LNKTYPE, "../../secret") for name in CIFAR]
DEVICES = [member(INSIDE + name, 0, tarfile.CHRTYPE) for name in CIFAR]
IMAGE_DATA = {
    "missing": (lambda folder: None, ["no such folder"]),
    "an-empty-folder": (lambda folder: (folder / "data").mkdir(), ["it is empty"]),
    "another-file": (writing("data", b"hello"), ["cannot read"]),
    "an-archive-cut": (archive([member(INSIDE + CIFAR[0], BATCH)], 5000), ["ended before"]),
    "an-archive-not-compressed": (archive([member(INSIDE + CIFAR[0], 10)], None, False), ["gzip"]),
    "an-archive-of-nothing": (archive([]), ["incomplete"]),
    "an-archive-with-wrong-sizes": (archive([member(INSIDE + CIFAR[0], 1000)]), ["1,000 bytes instead of 30,730,000"]),
    "an-archive-that-leaves-its-folder": (archive(OUTSIDE), ["incomplete"]),
    "an-archive-with-absolute-names": (archive([member(f"/{INSIDE}{name}", 10) for name in CIFAR]), ["incomplete"]),
    "an-archive-of-links": (archive(LINKS), ["incomplete"]),
    "an-archive-of-hard-links": (archive(HARD_LINKS), ["incomplete"]),
    "an-archive-of-devices": (archive(DEVICES), ["incomplete"]),
    "a-file-cut": (unpacked(BATCH - 1), ["30,729,999 bytes"]),
    "a-file-missing": (unpacked(leave_out=CIFAR[4:5]), ["it lacks data_batch_5.bin"]),
    "a-label-over-9": (unpacked(label=10), ["data_batch_4.bin", "label 10"]),
}
TEXTS = {
    "ptb.train.txt": b"a b <unk>\n" * 200,
    "ptb.valid.txt": b"a b <unk>\n" * 200,
    "ptb.test.txt": b"a b <unk>\n" * 200,
}


def texts(**changes):
    """The three texts; a change of train, valid or test is its bytes, or None for no such file."""

    def write(folder):
        (folder / "data").mkdir()
        for name, data in TEXTS.items():
            data = changes.get(name.split(".")[1], data)
            if data is not None:
                (folder / "data" / name).write_bytes(data)

    return write


TEXT_DATA = {
    "missing": (lambda folder: None, ["No such file or directory"]),
    "a-file": (writing("data", b"hello"), ["ptb.train.txt"]),
    "a-part-missing": (texts(valid=None), ["ptb.valid.txt"]),
    "not-utf8": (texts(test=b"caf\xe9"), ["ptb.test.txt", "UTF-8"]),
    "an-empty-part": (texts(train=b" \n"), ["ptb.train.txt"]),
    "unknown-words": (texts(train=b"a b\n" * 200, valid=b"zebra\n" * 200), ["zebra"]),
    "too-short": (texts(train=b"a <unk>\n"), ["too few"]),
    "one-word-to-validate": (texts(valid=b"a"), ["validation text", "1 word"]),
    "one-word-to-test": (texts(test=b"a"), ["test text", "1 word"]),
}
for space in SPACES:
    kinds, dataset = (TEXT_DATA, "ptb") if space == "recurrent" else (IMAGE_DATA, "cifar10")
    for name, (prepare, words) in kinds.items():
        options = f"--dataset {dataset} --data-dir data --recommended-arch {space}.npy"
        case(SEARCH[space], f"data-{name}", options, words, prepare)
        if space != "micro":
            case(RETRAIN[space], f"data-{name}", options, words, prepare)


case("ptb_search", "data-too-short-for-rewards", "--dataset ptb --data-dir data", ["too few"], texts(valid=b"a <unk>\n"))


# ---- options --------------------------------------------------------------------------------------------------------

FOR_ALL = {
    "unknown-option": ("--bogus 1", ["--bogus"]),
    "shortened-option": ("--batch 8", ["--batch"]),
    "missing-value": ("--seed", ["--seed"]),
    "stray-word": ("search", ["search"]),
    "negative-seed": ("--seed -1", ["--seed", "at least 0", "-1"]),
    "seed-no-number": ("--seed one", ["--seed", "one"]),
    "batch-size-0": ("-b 0", ["--batch-size", "at least 1"]),
    "batch-size-float": ("-b 3.5", ["3.5"]),
    "learning-rate-nan": ("--child-lr nan", ["--child-lr", "finite"]),
    "learning-rate-infinite": ("--child-lr 1e999", ["--child-lr", "finite"]),
    "learning-rate-0": ("--child-lr 0", ["--child-lr", "greater than 0"]),
    "weight-decay-negative": ("--weight-decay -0.1", ["--weight-decay", "at least 0"]),
    "unknown-preset": ("--preset mine", ["--preset", "mine"]),
    "unknown-context": ("--context tpu", ["tpu"]),
    "unknown-dataset": ("--dataset mnist", ["mnist"]),
    "half-precision-on-the-cpu": ("--type-config half", ["--type-config half"]),
    "interval-0": ("--checkpoint-interval 0", ["--checkpoint-interval"]),
    "on-nan-unknown": ("--on-nan cry", ["--on-nan", "cry"]),
    "on-nan-after-0": ("--on-nan-after 0", ["--on-nan-after"]),
    "restart-maybe": ("--restart maybe", ["True or False", "maybe"]),
    "train-size-0": ("--train-size 0", ["--train-size"]),
}
FOR_SEARCHES = {
    "candidates-0": ("-C 0", ["--num-candidate"]),
    "candidates-without-end": ("-C 100000000", ["--num-candidate", "at most 10000"]),
    "iterations-negative": ("-i -3", ["--max-search-iter"]),
    "baseline-decay-over-1": ("--baseline-decay 1.5", ["--baseline-decay", "at most 1"]),
    "state-size-unlike-lstm-size": ("--state-size 3 --lstm-size 4", ["--state-size must equal"]),
    "huge-lstm": ("--lstm-size 1000000000", ["--lstm-size", "at most 4096"]),
    "temperature-0": ("--temperature 0", ["--temperature"]),
    "controller-never-starts": ("--max-search-iter 3 --controller-start 3", ["--controller-start", "3 of 3"]),
    "unknown-schedule": ("--schedule never", ["never"]),
    "unknown-controller": ("--controller gpt", ["gpt"]),
}
FOR_ONE = {
    "macro_search": {
        "two-layers": ("--num-layers 2", ["--num-layers", "at least 3"]),
        "too-many-layers": ("--num-layers 100000", ["--num-layers", "at most 300"]),
        "odd-filters": ("--output-filter 7", ["even"]),
        "seven-operations": ("--num-ops 7", ["--num-ops", "at most 6"]),
        "an-unknown-operation": ("--ops conv3x3,conv7x7", ["--ops", "'conv7x7' is not one of", "did you mean conv"]),
        "an-operation-twice": ("--ops conv3x3,conv3x3", ["--ops", "conv3x3 twice"]),
        "skip-prob-1": ("--skip-prob 1", ["--skip-prob", "less than 1"]),
        "accuracy-over-1": ("--early-stop-over 95", ["--early-stop-over", "at most 1"]),
        "lowest-rate-over-the-highest": ("--child-lr 0.1 --child-lr-min 0.2", ["must not exceed"]),
        "validating-on-everything": ("--validation-size 1438", ["1438", "choose 1 to 1437"]),
    },
    "micro_search": {
        "six-operations": ("--num-ops 6", ["--num-ops", "at most 5"]),
        "an-operation-of-the-other-space": ("--ops conv3x3", ["--ops", "'conv3x3' is not one of sepconv3x3"]),
        "two-cells": ("--num-cells 2", ["--num-cells", "at least 3"]),
        "two-nodes": ("--num-nodes 2", ["--num-nodes"]),
        "tanh-reduce-0": ("--op-tanh-reduce 0", ["--op-tanh-reduce"]),
    },
    "ptb_search": {
        "the-examples-preset": ("--preset nnabla-example", ["--preset", "nnabla-example"]),
        "no-nodes": ("--num-nodes 0", ["--num-nodes", "at least 1"]),
        "bptt-1": ("--bptt 1", ["--bptt", "at least 2"]),
        "everything-dropped": ("--drop-x 1", ["--drop-x", "at most 0.99"]),
    },
    "macro_retrain": {
        "unknown-final-network": ("--final-network mine --recommended-arch macro.npy", ["mine"]),
        "no-epochs": ("-r 0 --recommended-arch macro.npy", ["--epoch-on-retrain"]),
        "save-interval-0": ("-s 0 --recommended-arch macro.npy", ["--model-save-interval"]),
        "cutout-negative": ("--cutout -1 --recommended-arch macro.npy", ["--cutout"]),
        "keep-prob-0": ("--keep-prob 0 --recommended-arch macro.npy", ["--keep-prob"]),
    },
    "micro_retrain": {
        "drop-path-over-1": ("--drop-path-keep-prob 1.1 --recommended-arch micro.npy", ["--drop-path-keep-prob"]),
        "odd-additional-filters": ("-f 3 --recommended-arch micro.npy", ["--additional-filters-on-retrain", "even"]),
    },
    "ptb_retrain": {
        "decay-0": ("--lr-decay 0 --recommended-arch recurrent.npy", ["--lr-decay"]),
    },
}  # fmt: skip
ARCHITECTURE = {script: f" --recommended-arch {space}.npy" for space, script in RETRAIN.items()}
for script in SCRIPTS:
    for name, (options, words) in FOR_ALL.items():
        case(script, name, options + ARCHITECTURE.get(script, ""), words)
for script in SEARCH.values():
    for name, (options, words) in FOR_SEARCHES.items():
        case(script, name, options, words)
for script, cases in FOR_ONE.items():
    for name, (options, words) in cases.items():
        case(script, name, options, words)


# ---- run directories ------------------------------------------------------------------------------------------------


def config(**changes):
    """A run directory whose config.json is damaged so."""
    document = {"job": "macro_search", "options": {}, "started": "", "continued": [], "finished": None, **changes}
    return config_bytes(json.dumps(document).encode())


def config_bytes(data):
    def write(folder):
        (folder / "run").mkdir()
        (folder / "run" / "config.json").write_bytes(data)

    return write


for script in SCRIPTS:
    options = f"-m run{ARCHITECTURE.get(script, '')}"
    case(script, "run-directory-is-a-file", options, ["run is a file"], writing("run", b""))
    case(script, "run-directory-below-a-file", options.replace("run", "run/x", 1), ["Not a directory"], writing("run", b""))
    case(script, "run-directory-with-a-long-name", options.replace("run", "x" * 300, 1), ["name too long"])
    case(script, "run-directory-of-something-else", options, ["config.json"], config_bytes(b'{"a": 1}'))
    if script in RETRAIN.values():
        case(script, "weights-in-a-file", f"{options} -o weights", ["weights is not a folder"], writing("weights", b""))
        case(script, "weights-below-a-file", f"{options} -o weights/x", ["weights is not a folder"], writing("weights", b""))
for name, prepare in {
    "no-json": config_bytes(b"{"),
    "empty": config_bytes(b""),
    "not-utf8": config_bytes(b"\xff"),
    "a-list": config_bytes(b"[]"),
    "deep": config_bytes(b"[" * 100_000),
    "options-a-list": config(options=[]),
    "job-a-number": config(job=1),
    "summary-no-text": config(finished={"summary": [{}]}),
}.items():
    case("macro_search", f"config-{name}", "-m run", ["config.json"], prepare)


# ---- a controller to sample from --------------------------------------------------------------------------------------


def controller(change):
    """A finished search with 4 layers whose controller file was changed so: by `change(path)`."""

    def write(folder):
        run = folder / "run"
        config(options={"num_layers": 4, "lstm_size": 8, "lstm_layers": 1})(folder)
        with h5py.File(run / "controller_params.h5", "w") as file:
            for name, shape in CONTROLLER.items():
                file[name] = np.zeros(shape, np.float32)
        change(run / "controller_params.h5")

    return write


CONTROLLER = {
    "start": (1, 8), "lstm/layer_0/W": (16, 32), "operation/W": (8, 6), "embedding": (6, 8),
    "attention/W1": (8, 8), "attention/W2": (8, 8), "attention/v": (8, 1),
}  # fmt: skip


def truncate(path):
    path.write_bytes(path.read_bytes()[:-100])


def start_as(make):
    """A controller file in which `make(file)` puts something in place of the dataset `start`."""

    def change(path):
        with h5py.File(path, "a") as file:
            del file["start"]
            make(file)

    return controller(change)


def options_of_search(**changes):
    def write(folder):
        controller(lambda path: None)(folder)
        document = json.loads((folder / "run" / "config.json").read_text())
        document["options"] |= changes
        (folder / "run" / "config.json").write_text(json.dumps(document))

    return write


SAMPLING = "--sampling-only -m run"
for name, (prepare, words) in {
    "no-run": (lambda folder: None, ["holds no macro_search run"]),
    "no-file": (controller(lambda path: path.unlink()), ["no run/controller_params.h5"]),
    "truncated": (controller(truncate), ["controller_params.h5"]),
    "empty": (controller(lambda path: path.write_bytes(b"")), ["controller_params.h5"]),
    "text": (controller(lambda path: path.write_text("weights")), ["controller_params.h5"]),
    "a-pickle": (controller(lambda path: path.write_bytes(pickle.dumps({}))), ["controller_params.h5"]),
    "another-network": (start_as(lambda file: file.create_dataset("W", data=[0.0])), ["no start"]),
    "another-size": (start_as(lambda file: file.create_dataset("start", (1, 9), "f4")), ["(1, 9)"]),
    "integers": (start_as(lambda file: file.create_dataset("start", (1, 8), "i4")), ["int32"]),
    "a-group": (start_as(lambda file: file.create_group("start")), ["no start"]),
    "a-huge-shape": (start_as(lambda file: file.create_dataset("start", (1, 10**12), "f4", chunks=(1, 8))), ["1000000000000"]),
    "not-finite": (start_as(lambda file: file.create_dataset("start", (1, 8), "f4", fillvalue=np.nan)), ["finite"]),
    "a-link-to-nowhere": (start_as(lambda file: file.__setitem__("start", h5py.SoftLink("/x"))), ["start"]),
    "a-link-outside": (start_as(lambda file: file.__setitem__("start", h5py.ExternalLink("x", "/y"))), ["start"]),
    "other-sizes-in-config": (options_of_search(lstm_size=9), ["controller_params.h5"]),
    "text-for-a-size": (options_of_search(lstm_size="8"), ["--lstm-size", "'8'"]),
    "a-size-out-of-range": (options_of_search(num_layers=10**9), ["--num-layers"]),
    "none-for-a-size": (options_of_search(num_layers=None), ["--num-layers"]),
    "an-unknown-choice": (options_of_search(controller="gpt"), ["--controller"]),
}.items():
    case("macro_search", f"sampling-{name}", SAMPLING, words, prepare)
case(
    "macro_search", "sampling-with-another-size", f"{SAMPLING} --lstm-size 999", ["--lstm-size is 999", "had 8"],
    controller(lambda path: None),
)  # fmt: skip


# ---- the test -------------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty working directory but for a good architecture of each space."""
    for space, shape in SPACES.items():
        np.save(tmp_path / f"{space}.npy", shape.random(np.random.default_rng(0)).to_numbers())
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refusal(script, options, folder, monkeypatch, capfd):
    """What a script that must refuse prints to standard error; no file may have changed."""
    monkeypatch.setattr(sys, "argv", [f"{script}.py", *USUAL.split(), *options.split()])
    before = files(folder)
    with pytest.raises(SystemExit) as end:
        report_and_exit(importlib.import_module(script).main)
    errors = capfd.readouterr().err
    assert end.value.code == 2, errors
    assert files(folder) == before
    assert errors.endswith("\n") and errors.splitlines()[-1].startswith(f"{script}.py: error: ")
    return errors


def files(folder):
    """Dict of path -> contents, or only the size of the large files, which are holes, and of what is no file."""

    def content(path):
        return path.read_bytes() if path.is_file() and path.stat().st_size < 10**6 else path.lstat().st_size

    return {str(path.relative_to(folder)): content(path) for path in sorted(folder.rglob("*"))}


@pytest.mark.parametrize("script, options, words, prepare", CASES)
def test_bad_input_is_refused_in_one_line(script, options, words, prepare, folder, monkeypatch, capfd):
    prepare(folder)
    errors = refusal(script, options, folder, monkeypatch, capfd)
    assert errors.count("\n") == 1 and len(errors) < 900
    assert all(word in errors for word in words), errors


def test_there_are_many_cases_of_every_script():
    scripts = [parameters.values[0] for parameters in CASES]
    assert all(scripts.count(script) >= 30 for script in SCRIPTS)
    assert len({parameters.id for parameters in CASES}) == len(CASES)


# ---- an unfinished run ------------------------------------------------------------------------------------------------

SMALL = {
    "macro_search": "--train-size 32 -b 16 -e 1 --num-layers 3 --output-filter 4 -m run",
    "macro_retrain": "--train-size 32 -b 16 --output-filter 4 -f 0 -m run --recommended-arch macro.npy",
}


@pytest.fixture(scope="module", params=SMALL)
def unfinished(request, tmp_path_factory):
    """(script, folder) of a run that was stopped at its third pause."""
    script, folder = request.param, tmp_path_factory.mktemp(request.param)
    np.save(folder / "macro.npy", MacroSpace(3).random(np.random.default_rng(0)).to_numbers())
    pause_point, calls = RunDirectory.pause_point, []

    def stop_soon(run, save, due=False):
        calls.append(1)
        pause_point(run, save, due or len(calls) == 2)
        if len(calls) == 3:
            sys.exit(0)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit) as end:
        patch.chdir(folder)
        patch.setattr(sys, "argv", [f"{script}.py", *USUAL.split(), *SMALL[script].split()])
        patch.setattr(RunDirectory, "pause_point", stop_soon)
        report_and_exit(importlib.import_module(script).main)
    assert end.value.code == 0 and len(list((folder / "run" / "checkpoint").iterdir())) == 2
    return script, folder


def damage_all(folder):
    for path in (folder / "run" / "checkpoint").glob("*/state.json"):
        path.write_bytes(path.read_bytes()[:-9])


def remove_files(folder):
    for path in (folder / "run" / "checkpoint").glob("*/*"):
        path.unlink()


def shorten_monitors(folder):
    for path in sorted((folder / "run" / "checkpoint").glob("*")):
        state = json.loads((path / "state.json").read_bytes())
        state["state"]["monitors"] = {"Training-loss.series.txt": 10**6}
        (path / "state.json").write_text(json.dumps(state))
        sums = "".join(f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n" for file in path.glob("*.*"))
        (path / "SHA256SUMS").write_text(sums)


@pytest.mark.parametrize(
    "prepare, more, lines, words",
    [
        (lambda folder: None, "--seed 1 -b 8", 4, ["another value of --batch-size, --seed", "--restart"]),
        (lambda folder: None, "--child-lr 0.5", 3, ["another value of --child-lr"]),
        (damage_all, "", 1, ["all checkpoints in run/checkpoint are damaged"]),
        (remove_files, "", 1, ["all checkpoints in run/checkpoint are damaged"]),
        (shorten_monitors, "", 1, ["Training-loss.series.txt is missing or shorter"]),
    ],
    ids=["two-options", "one-option", "damaged", "removed", "monitors"],
)
def test_an_unfinished_run_that_cannot_go_on(unfinished, folder, prepare, more, lines, words, monkeypatch, capfd):
    script, source = unfinished
    shutil.copytree(source, folder, dirs_exist_ok=True)
    prepare(folder)
    errors = refusal(script, f"{SMALL[script]} {more}", folder, monkeypatch, capfd)
    assert errors.count("\n") == lines and all(word in errors for word in words), errors


def test_the_table_of_changed_options(unfinished, folder, monkeypatch, capfd):
    script, source = unfinished
    shutil.copytree(source, folder, dirs_exist_ok=True)
    errors = refusal(script, f"{SMALL[script]} --seed 1 -b 8", folder, monkeypatch, capfd)
    assert errors.splitlines()[:-1] == [
        "option        unfinished run  now",
        "--batch-size  16              8",
        "--seed        0               1",
    ]


def test_a_run_directory_in_use(unfinished, folder, monkeypatch, capfd):
    script, source = unfinished
    shutil.copytree(source, folder, dirs_exist_ok=True)
    with open(folder / "run" / ".lock", "w") as lock:
        lock.write("process 1 on elsewhere")
        lock.flush()
        fcntl.flock(lock, fcntl.LOCK_EX)
        errors = refusal(script, SMALL[script], folder, monkeypatch, capfd)
    assert errors.count("\n") == 1 and "process 1 on elsewhere is running in run" in errors


# ---- as a user starts them --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "script, options, prepare",
    [
        ("macro_retrain", "--recommended-arch bad.npy", writing("bad.npy", pickle.dumps([1]))),
        ("macro_search", "-m run", writing("run", b"")),
        ("ptb_search", "--dataset ptb --data-dir data", texts(test=None)),
        ("micro_search", "--seed -1", lambda folder: None),
    ],
)
def test_in_a_process_of_its_own(script, options, prepare, folder):
    prepare(folder)
    before = snapshot(folder)
    command = [sys.executable, str(ROOT / f"{script}.py"), *USUAL.split(), *options.split()]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and "error: " in done.stderr
    assert snapshot(folder) == before
