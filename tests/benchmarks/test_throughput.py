import json
from types import SimpleNamespace

import pytest

import args
from benchmarks import throughput

OPTIONS = SimpleNamespace(architecture="random", warm_up=1, seconds=0.01, device_id="0", context="cpu")
ROW = {"type_config": "float", "batch_size": 10, "step_seconds": 0.01, "images_per_second": 1000.0, "idle_share": None}


@pytest.mark.parametrize("job", args.BOTH)
def test_steps_follow_one_another_and_count(job, monkeypatch):
    monkeypatch.setitem(throughput.IMAGES, "digits", 40)
    more = "--preset quick --batch-size 4 --output-filter 4 --additional-filters-on-retrain 0 --validation-size 8"
    row = throughput.measure(args.parse("macro", job, more.split()), OPTIONS)
    assert row["images_per_second"] == pytest.approx(4 / row["step_seconds"])
    assert row["steps"] >= 3 and 0 < row["queued_share"] <= 1 and row["loss"] > 0
    assert row["idle_share"] is row["device_memory_mb"] is None


def test_the_first_samples_tell_of_the_time_before():
    samples = ["0, 900"] * 10 + ["80, 1000", "100, 1200"] * 45
    idle, memory = throughput.device_figures(samples, 10.0)
    assert (idle, memory) == (pytest.approx(0.1), 1200)
    assert throughput.device_figures(["[N/A], 500"], 0.1) == (None, 500)
    assert throughput.device_figures(["no devices were found"], 1.0) == (None, None)
    assert throughput.device_figures([], 1.0) == (None, None)


def test_the_summary_sets_the_fastest_of_pytorch_beside_ours(tmp_path):
    rows = [
        ROW | {"name": "a", "idle_share": 0.1},
        ROW | {"name": "b", "idle_share": 0.2},
        *({"name": "b", "torch": "2", "images_per_second": rate} for rate in (500.0, 2000.0, 1500.0)),
    ]
    (tmp_path / "rows").write_text("a remark\n" + "".join(json.dumps(row) + "\n" for row in rows))
    *_, a, b = throughput.summary(tmp_path / "rows").splitlines()
    assert a == "| a | float | 10 | 10.0 | 1000 | 10 % |  |"
    assert b == "| b | float | 10 | 10.0 | 1000 | 20 % (target missed) | 0.50 (target missed) |"
