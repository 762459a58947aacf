"""Every command that is printed works when it is pasted, from any folder."""

import html
import os
import pathlib
import re
import shlex
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import args
from runs.commands import retrain_command, script_command
from search_spaces.files import load_architecture

ROOT = pathlib.Path(__file__).parents[1]
IMAGES = "--preset quick --train-size 64 -b 16 --validation-size 1338 --output-filter 4"
SMALL = {
    "macro": f"macro_search {IMAGES} --num-layers 3",
    "micro": f"micro_search {IMAGES} --num-cells 4 --num-nodes 4",
    "recurrent": "ptb_search --preset quick --train-size 600 -b 4 --num-nodes 3 --hidden-size 8 --bptt 6",
}
SEARCH = "-c cpu -i 1 -e 1 -C 2 --controller-steps 1 --num-derive 2 --seed 3"
RETRAIN = {"macro": "--train-size 64 -r 1", "micro": "--train-size 64 -r 1", "recurrent": "--train-size 600 -b 4 --bptt 6 -r 1"}
ELSEWHERE = os.environ | {"PATH": "/usr/bin:/bin"}  # no environment is active


def paste(command, folder):
    """Run a printed command in a shell; returns what it prints."""
    done = subprocess.run(["bash", "-c", command], cwd=folder, capture_output=True, text=True, timeout=300, env=ELSEWHERE)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module", params=list(SMALL))
def searched(request, tmp_path_factory):
    """(space, folder, output) of a short search, in a folder whose name would be changed by a careless replacement."""
    folder = tmp_path_factory.mktemp(request.param) / "my search"
    folder.mkdir()
    script, *options = f"{SMALL[request.param]} {SEARCH}".split()
    command = [sys.executable, ROOT / f"{script}.py", *options]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return request.param, folder, done.stdout


@pytest.fixture
def elsewhere(tmp_path):
    folder = tmp_path / "another search"
    folder.mkdir()
    return folder


def run_of(folder, space):
    """The one run directory in a folder: the preset and what was typed give its name."""
    [run] = folder.glob(f"tmp.{space}_quick_*")
    return run


def printed_command(output):
    return next(line.strip() for line in output.splitlines() if "_retrain.py" in line)


def test_what_the_search_prints_retrains_and_what_that_prints_predicts(searched, elsewhere):
    space, folder, output = searched
    printed = paste(f"{printed_command(output)} {RETRAIN[space]}", elsewhere)
    run = run_of(folder, space) / "retrain"
    assert (run / "config.json").exists() and list(run.glob("params_*.h5")) and not list(elsewhere.iterdir())
    if space != "recurrent":
        predict = next(line for line in printed.splitlines() if "deploy.py" in line).split(": classify an image: ")[-1]
        predict = predict[predict.index(sys.executable) :]
        Image.fromarray(np.zeros((20, 20), np.uint8)).save(elsewhere / "IMAGE", "png")
        assert paste(predict, elsewhere).startswith("IMAGE: ")


def test_the_printed_command_names_the_architecture_of_the_run(searched):
    space, folder, output = searched
    own = run_of(folder, space) / "arch.npy"
    assert f"--recommended-arch={own}" in shlex.split(printed_command(output))
    assert own.read_bytes() == (folder / f"{space}_arch.npy").read_bytes()


def test_the_report_says_the_same_command(searched):
    space, folder, output = searched
    page = (run_of(folder, space) / "report.html").read_text()
    assert printed_command(output) in html.unescape(re.sub("<[^>]*>", "", page))


def test_a_removed_architecture_is_written_again(searched, elsewhere):
    space, folder, _ = searched
    path = folder / f"{space}_arch.npy"
    found = load_architecture(path, space)
    path.unlink()
    script, *options = f"{SMALL[space]} {SEARCH}".split()
    paste(f"cd {shlex.quote(str(folder))} && {script_command(script, *options)}", elsewhere)
    assert load_architecture(path, space) == found


def test_sampling_finds_a_search_beside_another_job(searched):
    space, folder, _ = searched
    script = SMALL[space].split()[0]
    outer = folder / "outer"
    outer.mkdir()
    run = run_of(folder, space)
    config = (run / "config.json").read_text()
    (outer / "config.json").write_text(config.replace("_search", "_retrain"))
    run.rename(outer / "search")
    paste(script_command(script, "--sampling-only", "--num-sampling", "2", "-m", "outer"), folder)
    assert (folder / f"sampled_{space}_arch_1.npy").exists()
    (outer / "search").rename(run)


def test_the_retraining_is_told_what_concerns_it():
    words = "--preset quick --num-cells 4 -f 6 --cutout 4 --epoch-on-retrain 7 --batch-size 8 --child-lr 0.2 --data-dir d -d 1"
    config = args.parse("micro", args.SEARCH, words.split())
    line = shlex.split(retrain_command(config, "run"))
    assert line[:2] == [sys.executable, str(ROOT / "micro_retrain.py")]
    again = args.parse("micro", args.RETRAIN, line[2:])
    assert (again.recommended_arch, again.monitor_path) == (os.path.abspath("run/arch.npy"), os.path.abspath("run"))
    assert (again.num_cells, again.additional_filters_on_retrain, again.cutout, again.epoch_on_retrain) == (4, 6, 4, 7)
    assert (again.data_dir, again.device_id, again.preset) == (os.path.abspath("d"), "1", "quick")
    plain = args.parse("micro", args.RETRAIN, ["--preset", "quick"])
    assert (again.batch_size, again.child_lr) == (plain.batch_size, plain.child_lr)  # each training has its own
