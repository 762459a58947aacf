"""The benchmark of single operations."""

import json
import sys

import pytest

from benchmarks import kernels as benchmark
from errors import UserError
from tests.kernels.comparison import onednn

SMALL = ["benchmarks.kernels", "--batch-size", "1", "--filters", "4", "--size", "8", "--repeat", "1", "--threads", "1"]


def test_every_operation_has_its_ratio(monkeypatch, capsys):
    onednn()
    monkeypatch.setattr(sys, "argv", [*SMALL, "--json"])
    assert benchmark.main() == 0
    result = json.loads(capsys.readouterr().out)
    fast = result["onednn_1_threads"]
    assert result["shape"] == [1, 4, 8, 8] and "NHWC" in fast["description"]
    assert set(fast["ratio"]) == set(result["nnabla_ms"]) and len(fast["ratio"]) >= 15
    slow, quick = result["nnabla_ms"]["convolution 5x5"]["forward"], fast["ms"]["convolution 5x5"]["forward"]
    assert fast["ratio"]["convolution 5x5"]["forward"] == pytest.approx(slow / quick, rel=0.01, abs=0.01)


def test_the_table_names_them_all(monkeypatch, capsys):
    onednn()
    monkeypatch.setattr(sys, "argv", [*SMALL, "--layout", "NCHW"])
    benchmark.main()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith("NCHW") and any(line.startswith("factorized reduction ") for line in lines)


@pytest.mark.parametrize("option", [["--filters", "3"], ["--repeat", "0"]])
def test_wrong_sizes(monkeypatch, option):
    monkeypatch.setattr(sys, "argv", ["benchmarks.kernels", *option])
    with pytest.raises(UserError):
        benchmark.main()
