"""Each script once, as a user starts it, on a network so small that it takes seconds."""

import csv
import json
import pathlib
import shlex
import subprocess
import sys

import h5py
import numpy as np
import pytest

import args
from deployment.complexity import image_network_cost
from models.parameters import ParameterScope
from search_spaces.files import parse
from spaces import SPACES

ROOT = pathlib.Path(__file__).parents[1]
SMALL = {
    "macro": "--num-layers 3 --output-filter 4 -m tmp.macro_monitor",
    "micro": "--num-cells 3 --num-nodes 4 --output-filter 4 -m tmp.micro_monitor",
}
SEARCH = (
    "-c cpu --preset quick --train-size 64 -b 16 -i 2 -e 1 -C 3 --controller-steps 2 --num-derive 3 --validation-size 1338 "
    "--cutout 4"
)


def script(name, options, folder):
    """Run a script in `folder`; its output must be free of errors."""
    command = [sys.executable, str(ROOT / f"{name}.py"), *options.split()]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module", params=["macro", "micro"])
def searched(request, tmp_path_factory):
    """(space, folder, output) of one search of two iterations."""
    folder = tmp_path_factory.mktemp(request.param)
    return request.param, folder, script(f"{request.param}_search", f"{SEARCH} {SMALL[request.param]}", folder)


def test_a_search_leaves_its_files(searched):
    space, folder, _ = searched
    run = folder / f"tmp.{space}_monitor"
    numbers = np.load(folder / f"{space}_arch.npy", allow_pickle=False)
    assert numbers.dtype == np.int64 and numbers.shape == {"macro": (6,), "micro": (2, 8)}[space]
    for name in ("Training-loss", "Training-accuracy", "Validation-accuracy"):
        lines = (run / f"{name}.series.txt").read_text().splitlines()
        assert [line.split()[0] for line in lines] == ["0", "1"]
        assert all(np.isfinite(float(line.split()[1])) for line in lines)
    assert not (run / "checkpoint").exists()
    assert json.loads((run / "config.json").read_text())["options"]["num_candidate"] == 3


def test_the_best_architecture_is_the_best_row_of_the_table(searched):
    space, folder, _ = searched
    with open(folder / f"tmp.{space}_monitor" / "architectures.csv") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * 3
    accuracies = [float(row["accuracy"]) for row in rows]
    from search_spaces.files import load_architecture

    best = load_architecture(folder / f"{space}_arch.npy", space).to_text()
    assert rows[int(np.argmax(accuracies))]["architecture"] == best


def test_a_search_says_what_a_person_wants_to_know(searched):
    space, _, output = searched
    wanted = (
        "without effect here: --cutout (for retraining)\n", "digits: 64 training", "cpu", "seed 0", "iteration 2/2",
        "best accuracy", f"{space}_retrain.py", "architecture: ",
    )  # fmt: skip
    for words in wanted:
        assert words in output, words


def test_the_controller_file_holds_the_controller_alone(searched):
    space, folder, _ = searched
    with h5py.File(folder / f"tmp.{space}_monitor" / "controller_params.h5") as file:
        names = []
        file.visit(names.append)
    assert "start" in names and not any("stem" in name or "conv" in name for name in names)


def test_sampling_needs_no_data_and_no_sizes(searched):
    space, folder, _ = searched
    options = "--sampling-only True --num-sampling 4 --dataset cifar10 --data-dir /nowhere"
    script(f"{space}_search", options, folder)
    paths = [folder / f"sampled_{space}_arch_{index}.npy" for index in range(4)]
    shapes = {np.load(path, allow_pickle=False).shape for path in paths}
    assert shapes == {np.load(folder / f"{space}_arch.npy").shape}
    first = [path.read_bytes() for path in paths]
    printed = script(f"{space}_search", options, folder).splitlines()
    others = [folder / f"sampled_{space}_arch_{index}.npy" for index in range(4, 8)]
    assert first == [path.read_bytes() for path in paths]
    assert not set(first) & {path.read_bytes() for path in others}
    assert printed[0] == "without effect here: --dataset (with --sampling-only), --data-dir (with --sampling-only)"
    assert printed[1:] == [f"{path.name}: {' '.join(map(str, np.load(path).ravel()))}" for path in others]


def test_sampling_takes_the_prior_of_the_search(tmp_path):
    """Its fixed part is no parameter, so the controller's file does not hold it."""
    script("micro_search", f"{SEARCH} {SMALL['micro']} --op-prior none -i 1", tmp_path)
    samples = {}
    for options in ("", "--op-prior none"):
        samples[options] = sampled_micro(tmp_path, options)
    config = tmp_path / "tmp.micro_monitor" / "config.json"
    config.write_text(config.read_text().replace('"op_prior": "none"', '"op_prior": "authors"'))
    assert samples[""] == samples["--op-prior none"] != sampled_micro(tmp_path, "")


def sampled_micro(folder, options):
    """Contents of the five files that sampling writes in `folder`, which are removed."""
    script("micro_search", f"--sampling-only --num-sampling 5 {options}", folder)
    paths = sorted(folder.glob("sampled_micro_arch_*.npy"))
    contents = [path.read_bytes() for path in paths]
    for path in paths:
        path.unlink()
    return contents


@pytest.mark.parametrize("form, operation", [("authors", "conv3x3"), ("shared", "sepconv3x3")])
def test_other_final_networks_are_trained_and_described(tmp_path, form, operation):
    (tmp_path / "arch.txt").write_text("0\n1 1\n4 1 0\n")
    options = f"--preset quick --context cpu --train-size 64 -r 1 -f 0 --final-network {form} --recommended-arch arch.txt"
    options += " -m tmp.macro_monitor"
    assert "test accuracy" in script("macro_retrain", options, tmp_path)
    run = tmp_path / "tmp.macro_monitor"
    assert json.loads((run / "network.json").read_text())["options"]["final_network"] == form
    with h5py.File(next(run.glob("params_*.h5"))) as file:
        assert operation in file["layer_1"] and file["layer_1/skip/bn/beta"].shape[1] == (16 if form == "authors" else 8)


def test_the_printed_command_retrains(searched):
    space, folder, output = searched
    line = next(line for line in output.splitlines() if f"{space}_retrain.py" in line)
    options = line.split(f"{space}_retrain.py")[1] + " -r 1 -s 5 --train-size 96 -f 0"
    printed = script(f"{space}_retrain", options, folder)
    run = folder / f"tmp.{space}_monitor" / "retrain"
    assert "test accuracy" in printed
    assert len((run / "Test-accuracy.series.txt").read_text().splitlines()) == 1
    weights = sorted(path.name for path in run.glob("params_*.h5"))
    steps = -(-96 // json.loads((run / "config.json").read_text())["options"]["batch_size"])
    assert weights == sorted({*(f"params_{5 * n:06d}.h5" for n in range(1, steps // 5 + 1)), f"params_{steps:06d}.h5"})


def test_the_table_has_the_cost_of_the_network_that_the_printed_command_trains(searched):
    space, folder, output = searched
    line = next(line for line in output.splitlines() if f"{space}_retrain.py" in line)
    options = args.parse(space, args.RETRAIN, shlex.split(line.split(f"{space}_retrain.py")[1]))
    network = SPACES[space].final_network(options, ParameterScope(), 10)
    with open(folder / f"tmp.{space}_monitor" / "architectures.csv") as file:
        for row in csv.DictReader(file):
            cost = image_network_cost(network, parse(row["architecture"].encode(), ".txt", space), (1, 16, 16))
            assert (int(row["parameters"]), int(row["multiply_adds"])) == (cost.parameters, cost.multiply_adds)


def test_a_finished_search_is_not_done_again(searched):
    space, folder, _ = searched
    before = (folder / f"tmp.{space}_monitor" / "architectures.csv").stat().st_mtime_ns
    assert "finished" in script(f"{space}_search", f"{SEARCH} {SMALL[space]}", folder)
    assert (folder / f"tmp.{space}_monitor" / "architectures.csv").stat().st_mtime_ns == before


@pytest.mark.parametrize("extra", ["--controller random", "--schedule best-candidate", "--eval-batch-stats False -i 1"])
def test_other_ways_to_search(tmp_path, extra):
    script("macro_search", f"{SEARCH} {SMALL['macro']} {extra}", tmp_path)
    rows = (tmp_path / "tmp.macro_monitor" / "architectures.csv").read_text().splitlines()[1:]
    assert len(rows) == {"--controller random": 6, "--schedule best-candidate": 2}.get(extra, 3)
    assert (tmp_path / "tmp.macro_monitor" / "controller_params.h5").exists() == ("random" not in extra)


def test_a_search_stops_early(tmp_path):
    script("macro_search", f"{SEARCH} {SMALL['macro']} -i 5 --early-stop-over 0", tmp_path)
    lines = (tmp_path / "tmp.macro_monitor" / "Validation-accuracy.series.txt").read_text().splitlines()
    assert 1 <= len(lines) < 5


def test_two_searches_of_one_seed_are_equal_to_the_byte(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        script("macro_search", f"{SEARCH} {SMALL['macro']} --seed 7", tmp_path / name)
    for path in ("macro_arch.npy", "tmp.macro_monitor/architectures.csv", "tmp.macro_monitor/Training-loss.series.txt"):
        assert (tmp_path / "one" / path).read_bytes() == (tmp_path / "two" / path).read_bytes(), path


def test_cudnn_without_the_extension_names_the_package(tmp_path):
    import importlib.util

    if importlib.util.find_spec("nnabla_ext.cudnn"):
        pytest.skip("the CUDA extension is installed")
    command = [sys.executable, str(ROOT / "macro_search.py"), "--context", "cudnn", "--preset", "quick"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and "nnabla-ext-cuda120" in done.stderr
    assert list(tmp_path.iterdir()) == []
