"""Kill runs with SIGKILL at random moments, continue them, and compare what they leave with runs that nobody disturbed.

    python -m tests.kill --runs 20                  every script 20 times
    python -m tests.kill --runs 5 macro_search

All files must be equal to the byte: the architecture, architectures.csv, the monitors, the controller's parameters, the weights,
the report; of config.json all but its times. Half of the kills wait until a checkpoint is being written.
"""

import argparse
import contextlib
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import time

import numpy as np

from search_spaces.files import save_architecture
from search_spaces.macro import MacroSpace
from search_spaces.micro import MicroSpace
from search_spaces.recurrent import RecurrentSpace
from tests.toys import contents

ROOT = pathlib.Path(__file__).parents[1]
MOST_KILLS = 6  # of one run, then it may end
INTERVAL = "--checkpoint-interval 0.002"  # minutes: after every few steps
EVERYWHERE = "-c cpu --preset quick"
IMAGES = "--train-size 96 -b 16 -s 2 -r 3"
SEARCH = "-i 2 -e 1 -C 3 --controller-steps 2 --num-derive 2"
TEXT = "--dataset ptb --data-dir . -b 8 -s 2 -r 3"
OPTIONS = {
    "macro": f"{EVERYWHERE} {IMAGES} {SEARCH} --validation-size 100 --num-layers 4 --output-filter 4 -f 4",
    "micro": f"{EVERYWHERE} {IMAGES} {SEARCH} --validation-size 100 --num-cells 3 --num-nodes 4 --output-filter 4 -f 4 "
    "--auxiliary-head True --drop-path-keep-prob 0.8 --cutout 4",
    "ptb": f"{EVERYWHERE} {TEXT} {SEARCH}",
    "ptb2018": f"-c cpu --preset authors-2018 {TEXT} {SEARCH} --num-nodes 5 --hidden-size 8 --bptt 7",
}
SPACES = {"macro": MacroSpace(4), "micro": MicroSpace(2), "ptb": RecurrentSpace(5), "ptb2018": RecurrentSpace(5, "old")}
SCRIPTS = [f"{name}_{job}" for name in OPTIONS for job in ("search", "retrain")]


class Failure(Exception):  # noqa: N818 - the finding of a comparison
    """A run ended otherwise than the one that nobody disturbed."""


def prepare(script, folder):
    """A new folder with what the script needs: an architecture to retrain, a text to learn."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    name, job = script.split("_")
    rng = np.random.default_rng(1)
    if job == "retrain":
        save_architecture(folder / "arch.npy", SPACES[name].random(rng))
    if name.startswith("ptb"):
        for part, lines in (("train", 300), ("valid", 60), ("test", 30)):
            words = rng.choice(["<unk>", *"abcdefghijkl"], (lines, 9))
            (folder / f"ptb.{part}.txt").write_text("".join(" ".join(line) + "\n" for line in words))


def start(script, folder, quiet="--quiet", stdout=subprocess.DEVNULL):
    name, job = script.split("_")
    options = f"{OPTIONS[name]} --monitor-path run --recommended-arch arch.npy {INTERVAL} {quiet}"
    if job == "retrain":  # the architecture says how large it is
        options = options.replace("--num-layers 4", "").replace("--num-nodes 4", "")
    command = [sys.executable, str(ROOT / f"{script.replace('2018', '')}.py"), *options.split()]
    return subprocess.Popen(command, cwd=folder, stdout=stdout, stderr=subprocess.PIPE, text=True)


def finish(process, what):
    """Wait for its end; raises Failure if that is not a good one."""
    _, errors = process.communicate()
    if process.returncode or "Traceback" in errors:
        raise Failure(f"{what} ended with status {process.returncode}: {errors}")


def undisturbed(script, folder):
    """(files, seconds) of a run that nobody disturbs."""
    prepare(script, folder)
    begin = time.monotonic()
    finish(start(script, folder), f"the undisturbed {script}")
    return contents(folder), time.monotonic() - begin


def disturbed(script, folder, seconds, rng):
    """Kill a run again and again until one process reaches its end; returns (kills, kills while a checkpoint was written).

    `seconds`: of an undisturbed run. One that ends before the first kill is begun again, to be killed sooner.
    """
    prepare(script, folder)
    kills = in_writing = 0
    while kills < MOST_KILLS:
        process = start(script, folder)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(rng.uniform(0, 0.7 * seconds))
        if rng.random() < 0.5:
            wait_for_writing(process, folder)
        in_writing += is_writing(folder)
        process.kill()
        if process.wait() >= 0:
            finish(process, script)
            if kills:
                return kills, in_writing
            prepare(script, folder)
            seconds /= 2
            continue
        process.stderr.close()
        kills += 1
    finish(start(script, folder), f"the {script} continued after {kills} kills")
    return kills, in_writing


def wait_for_writing(process, folder):
    while process.poll() is None and not is_writing(folder):
        time.sleep(0.0005)


def is_writing(folder):
    return any(folder.glob("run/checkpoint/.*.tmp"))


def check(script, runs, seed, folder):
    """Compare `runs` disturbed runs of a script with one that is not, all in `folder`; returns a line, raises Failure."""
    wanted, seconds = undisturbed(script, folder)
    rng = random.Random(f"{seed} {script}")
    kills = in_writing = 0
    for number in range(runs):
        more, more_in_writing = disturbed(script, folder, seconds, rng)
        kills, in_writing = kills + more, in_writing + more_in_writing
        compare(wanted, contents(folder), f"run {number} of {script}, {more} times killed")
    files = f"all {len(wanted)} files and folders equal"
    return f"{script}: {runs} runs killed {kills} times, {in_writing} of them while a checkpoint was written: {files}"


def compare(wanted, found, what):
    names = sorted(name for name in wanted.keys() | found.keys() if wanted.get(name, b"absent") != found.get(name, b"absent"))
    if names:
        raise Failure(f"{what}: {', '.join(names)} differ from the undisturbed run's")


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("scripts", nargs="*", metavar="SCRIPT", help=f"of {', '.join(SCRIPTS)} [all]")
    parser.add_argument("--runs", type=int, default=20, help="runs of each script, each killed several times [20]")
    parser.add_argument("--seed", type=int, default=0, help="of the moments [0]")
    options = parser.parse_args()
    if set(options.scripts) - set(SCRIPTS):
        parser.error(f"scripts are {', '.join(SCRIPTS)}")
    for script in options.scripts or SCRIPTS:
        with tempfile.TemporaryDirectory() as folder:
            try:
                print(check(script, options.runs, options.seed, pathlib.Path(folder, "here")), flush=True)
            except Failure as failure:
                sys.exit(f"FAILED: {failure}")


if __name__ == "__main__":
    main()
