"""benchmarks/gpu.sh with a Python that computes nothing: what it calls, and what it makes of failures."""

import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest

import args

SCRIPT = Path(__file__).parent.parent.parent / "benchmarks/gpu.sh"
SCRIPTS = {f"{space}_{job}" for space in ("macro", "micro", "ptb") for job in ("search", "retrain")}

# Writes its orders into a log and what the scripts leave behind; fails for what the variable BROKEN matches.
FAKE_PYTHON = """\
#!/usr/bin/env bash
printf '%q ' "$@" >>"$LOG"; echo >>"$LOG"
[[ "$*" =~ $BROKEN ]] && { echo "it broke"; exit 3; }
[[ "$*" = *"/resume "* ]] && { [[ -e "$LOG.resumed" ]] && echo "resuming the run"; touch "$LOG.resumed"; }
case "$*" in *--summarize*) echo "the table" ;; *--json*) echo "a remark"; echo '{"name": "a row"}' ;; esac
while (($#)); do
    case $1 in
        --monitor-path) mkdir -p "$2"; echo "0 $LOSS" >"$2/Training-loss.series.txt" ;;
        --recommended-arch) touch "$2" ;;
    esac
    shift
done
"""


@pytest.fixture
def run(tmp_path):
    """A function that runs the script: (exit status, output, orders given to Python)."""
    (tmp_path / "python").write_text(FAKE_PYTHON)
    (tmp_path / "mpirun").write_text('#!/usr/bin/env bash\necho "$2 processes" >>"$LOG.mpirun"\nshift 2; exec "$@"\n')
    (tmp_path / "nvidia-smi").write_text("#!/usr/bin/env bash\necho 'GPU 0: Pretend'; echo 'GPU 1: Pretend'\n")
    for program in ("python", "mpirun", "nvidia-smi"):
        (tmp_path / program).chmod(0o755)

    def run(*options, broken="^$", loss="1.5"):
        path = f"{tmp_path}:{os.environ['PATH']}"
        environment = os.environ | {"LOG": str(tmp_path / "log"), "BROKEN": broken, "LOSS": loss, "PATH": path}
        command = ["bash", SCRIPT, "--python", tmp_path / "python", "--output", tmp_path / "out", *options]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        log = tmp_path / "log"
        return done.returncode, done.stdout + done.stderr, log.read_text().splitlines() if log.exists() else []

    return run


def orders_of(orders, context):
    """[(script, its options)] of the six scripts; the options of benchmarks.throughput are those of a script too."""
    found = []
    for words in map(shlex.split, orders):
        if words[0].endswith(".py"):
            found.append((words[0].removesuffix(".py"), words[1:]))
            assert words[1:3] == ["--context", context]
        elif words[1] == "benchmarks.throughput" and "--options" in words:
            space, job, options = (words[words.index(name) + 1] for name in ("--space", "--job", "--options"))
            found.append((f"{space}_{job}", options.split()))
    return found


@pytest.mark.parametrize("context", ["cpu", "cudnn"])
def test_every_order_is_one_that_the_programs_take(run, tmp_path, context):
    status, output, orders = run("--context", context, "--data-dir", "DIR", "--torch-python", tmp_path / "python")
    failed = set(re.findall(r"^(\S+) +FAILED", output, re.MULTILINE))
    assert failed == set() and status == 0
    calls = orders_of(orders, context)
    assert {name for name, _ in calls} == SCRIPTS
    for name, options in calls:
        space, job = name.split("_")
        args.parse({"ptb": "recurrent"}.get(space, space), job, options)
    halves = [options for _, options in calls if "half" in options]
    assert bool(halves) == (context == "cudnn")
    assert any("--data-dir DIR" in order for order in orders)
    assert sum("benchmarks.torch_step" in order for order in orders) == 2
    assert "the table" in output and "not run" not in output
    assert sum("out/resume " in order for order in orders) == 2 and "resume_went_on" in output
    assert (tmp_path / "log.mpirun").read_text() == "2 processes\n"
    rows = (tmp_path / "out/results.jsonl").read_text().splitlines()
    assert rows and set(rows) == {'{"name": "a row"}'}


def test_a_part_that_fails_is_named_and_stops_nothing_but_what_needs_it(run):
    status, output, orders = run("--context", "cpu", broken="micro_search.py|tests.parity")
    assert status == 1 and output.splitlines()[-1] == "failed: golden micro_search"
    assert "FAILED with status 3: it broke" in output
    assert "not run: micro_half pytorch cifar10_search" in output
    called = {order.split()[0] for order in orders}
    assert "micro_retrain.py" not in called and "ptb_retrain.py" in called


def test_a_loss_that_is_no_number_is_a_failure(run):
    status, output, _ = run("--context", "cpu", loss="nan")
    assert status == 1 and "macro_half_is_finite" in output.splitlines()[-1]


@pytest.mark.parametrize("options", [["--help"], ["--data-dir"], ["--nonsense", "1"]])
def test_options_that_it_does_not_have(run, options):
    status, output, orders = run(*options)
    assert status == 2 and not orders and ("benchmarks/gpu.sh" in output or "needs a value" in output)

