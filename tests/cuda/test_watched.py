"""The Python side of the GPU path: all scripts run where a stand-in is the GPU, and ask it for nothing that it does not have."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from tests.cuda import pretended_driver

ROOT = pathlib.Path(__file__).parents[2]
EXTENSION = ROOT / "tests/cuda/extension"
# What nnabla-ext-cuda120 1.39.0 has a class for, and what it does without: `Constant` is filled lazily, `Sink` computes nothing.
KNOWN = json.loads((ROOT / "tests/cuda/functions.json").read_text())
WITHOUT = {"Constant", "Sink"}
IN_FLOAT = {"Softmax", "SoftmaxCrossEntropy", "LogSoftmax"}  # although --type-config says half
TYPES = {"float32", "float16", "int32", "uint8", "none"}


def environment():
    return os.environ | {"PYTHONPATH": f"{EXTENSION}:{ROOT}"}


@pytest.fixture(scope="module", params=["float", "half"])
def watched(request, tmp_path_factory):
    """(precision, folder, what was seen) of the six scripts."""
    folder = tmp_path_factory.mktemp(request.param)
    for part, lines in (("train", 30), ("valid", 10), ("test", 10)):
        (folder / f"ptb.{part}.txt").write_text(lines * " a b c d <unk> b e \n")
    command = [sys.executable, "-m", "tests.cuda.watched", str(folder), request.param]
    done = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return request.param, folder, json.loads((folder / "watched.json").read_text())


def test_the_scripts_finish_on_the_device(watched):
    precision, folder, _ = watched
    for space in ("macro", "micro", "recurrent"):
        for run in (folder / space, folder / space / "retrain"):
            config = json.loads((run / "config.json").read_text())
            assert config["finished"] and config["options"]["context"] == "cudnn"
            assert config["options"]["type_config"] == precision
            losses = np.loadtxt(run / "Training-loss.series.txt", ndmin=2)
            assert len(losses) and np.isfinite(losses).all()


def test_every_function_is_in_the_package(watched):
    precision, _, seen = watched
    assert len(seen["functions"]) > 25 and {name.split()[1] for name in seen["functions"]} == {precision, "float"}
    unknown = []
    for name, kind in map(str.split, seen["functions"]):
        known = KNOWN["float and half"] + (KNOWN["float"] if kind == "float" or name in IN_FLOAT else [])
        if name not in WITHOUT and name not in known:
            unknown.append(f"{name} in {kind}")
    assert unknown == []
    assert {name.split()[0] for name in seen["solvers"]} <= set(KNOWN["solvers"])


def test_no_function_reads_bool_or_float64(watched):
    _, _, seen = watched
    assert len(seen["numbers"]) > 20
    assert [name for name in seen["numbers"] if name.split(": ")[1] not in TYPES] == []


def test_sampling_and_export_after_a_search_on_the_device(watched):
    _, folder, _ = watched
    sample = f"macro_search.py -c cudnn --sampling-only True --num-sampling 2 -m {folder}/macro"
    for order in (sample, f"deploy.py export {folder}/macro/retrain/model.nnp -o {folder}/model.py"):
        command = [sys.executable, *order.split()]
        command[1] = str(ROOT / command[1])
        done = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, timeout=100)
        assert done.returncode == 0, done.stderr
    assert (folder / "sampled_macro_arch_1.npy").exists() and (folder / "model.py").exists()


def test_a_run_on_the_device_that_is_killed_goes_on(tmp_path):
    options = (
        "-c cudnn --preset quick --train-size 64 -b 16 -i 2 -e 10 -C 2 --controller-steps 1 --num-derive 2 --num-layers 3 "
        "--output-filter 4 --type-config half -m run --checkpoint-interval"
    )
    command = [sys.executable, "-c", pretended_driver.START, str(ROOT / "macro_search.py"), *options.split()]
    process = subprocess.Popen([*command, "0.001"], cwd=tmp_path, env=environment(), stdout=subprocess.DEVNULL)
    while not any(tmp_path.glob("run/checkpoint/0*")):
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = subprocess.run([*command, "60"], cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=100)
    assert done.returncode == 0 and "resuming the run in run" in done.stdout, done.stderr
    assert len((tmp_path / "run" / "architectures.csv").read_text().splitlines()) == 1 + 2 * 2
