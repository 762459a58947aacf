"""The comparison with PyTorch, and our own step that it is made with."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import against_torch, step_time
from benchmarks.workload import find_architecture
from errors import UserError
from tests.kernels.comparison import onednn

ROOT = Path(__file__).parent.parent.parent
STEP = {"train_iteration_seconds": 0.5, "peak_memory_mb": 700.0, "parameters": 10, "multiply_adds": 1000}


def fake_runs(monkeypatch, difference=1e-6, **of_torch):
    """Nothing runs; ours takes 0.5 s, PyTorch 0.8 and 0.6 s."""

    def run(python, name, *arguments):
        if "--compare" in arguments:
            return {"difference": difference}
        if name == "step_time":
            return STEP
        if "--compile" in arguments:
            return STEP | {"train_iteration_seconds": 0.55, "compile_seconds": 76.4, "torch": "2"}
        seconds = {"NCHW": 0.8, "NHWC": 0.6}[arguments[-1]]
        return STEP | {"train_iteration_seconds": seconds, "torch": "2"} | of_torch

    monkeypatch.setattr(against_torch, "_run", run)
    monkeypatch.setattr(against_torch, "save_logits", lambda *arguments: None)
    monkeypatch.setattr(sys, "argv", ["benchmarks.against_torch", "--torch-python", "python", "--spaces", "macro"])


def test_the_ratio_is_to_the_faster_layout(monkeypatch, capsys):
    fake_runs(monkeypatch)
    assert against_torch.main() == 0
    assert "PyTorch takes 1.20 times as long" in capsys.readouterr().out


def test_the_compiled_network_counts_when_it_is_faster(monkeypatch, capsys):
    fake_runs(monkeypatch)
    sys.argv.append("--compile")
    assert against_torch.main() == 0
    printed = capsys.readouterr().out
    assert "PyTorch takes 1.10 times as long" in printed
    assert "PyTorch 2 NHWC compiled: 0.550 s, 700 MB, after 76 s to compile" in printed


@pytest.mark.parametrize("wrong", [{"difference": 1e-3}, {"difference": float("nan")}, {"parameters": 11}, {"multiply_adds": 9}])
def test_another_network_is_refused(monkeypatch, wrong):
    fake_runs(monkeypatch, **wrong)
    with pytest.raises(UserError, match="not the same network"):
        against_torch.main()


def test_an_interpreter_that_does_not_start(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["benchmarks.against_torch", "--torch-python", "/no/such/python", "--spaces", "macro"])
    monkeypatch.setattr(against_torch, "save_logits", lambda *arguments: None)
    with pytest.raises(UserError, match="does not start"):
        against_torch.main()


def test_what_pytorch_reads_needs_no_nnabla():
    code = "import sys, benchmarks.workload as w; w.random_architecture('macro'); sys.exit('nnabla' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


@pytest.mark.parametrize("space", ["macro", "micro"])
def test_logits_are_those_of_pytorch(tmp_path, space):
    pytest.importorskip("torch")
    from benchmarks import torch_step

    save_path = tmp_path / "logits.npz"
    against_torch.save_logits(save_path, space, find_architecture(space, "published"), 4)
    network = torch_step.make_network(space, "published", 4)
    assert torch_step.difference(network, save_path, torch_step.FORMATS["NHWC"]) < against_torch.COMPARED


def test_the_logits_depend_on_every_weight(tmp_path):
    """Else the comparison could not tell two networks apart."""
    path = tmp_path / "logits.npz"
    against_torch.save_logits(path, "micro", find_architecture("micro", "published"), 4)
    with np.load(path, allow_pickle=False) as file:
        assert file["logits"].shape == (2, 10) and np.ptp(file["logits"]) > 1e-3
        assert all(np.ptp(file[name]) > 0 for name in file.files if name.endswith(("gamma", "beta", "mean", "var")))


@pytest.mark.parametrize("network, layout", [("final", "NCHW"), ("shared", "NHWC")])
def test_a_step_in_either_layout(monkeypatch, capsys, network, layout):
    onednn()
    small = ["--batch-size", "2", "--output-filter", "2", "--repeat", "1", "--cpu-threads", "1", "--only", "training"]
    monkeypatch.setattr(sys, "argv", ["benchmarks.step_time", "--network", network, "--layout", layout, *small, "--json"])
    assert step_time.main() == 0
    result = json.loads(capsys.readouterr().out)
    assert result["kernels"].endswith(layout) and result["network"] == network
    assert result["parameters"] > 0 and "validation_batch_seconds" not in result
