"""Compare our networks, controllers and optimizers with arrays computed by the authors' code.

    python -m tests.parity tests/golden/*.npz

Reads any file of the forms described in tests/golden/README.md, whatever the architecture, the sizes and the values. The
gradients of `NAME.npz` may lie beside it in `NAME_grads.npz`, for one of several architectures in `NAME_grads_arc0.npz`. Prints
the largest relative difference of each quantity, |ours - theirs| over the largest |theirs|; all gradients of a network are one
quantity. Exit status 1 if one exceeds 1e-4, 2 if a file cannot be compared.

Both sides compute in float32, which leaves some 1e-5 in a deep network. Image networks run on the kernels that training uses;
their gradients are compared on NNabla's own, with the care of tests/centered.py. "Elements moved" are ReLU inputs that are zero
up to rounding and have another sign there: tests/ties.py tells what that does to the gradients from an error.
"""

import argparse
import glob
import pathlib
import re
import zipfile
import zlib

import numpy as np

from errors import UserError, report_and_exit
from kernels import NAMES
from runs.device import choose_context, choose_kernels
from tests.forms import compare_file

TOLERANCE = 1e-4


class GoldenArrays(dict):
    """Arrays by name; a missing one is an error that the user can mend."""

    def __missing__(self, name):
        raise UserError(f"the golden data lack the array {name}; give a complete file of one of the known forms")


def load(path):
    """All arrays of a golden file, its gradients' file included. Raises UserError."""
    path = pathlib.Path(path)
    beside = sorted(path.parent.glob(f"{glob.escape(path.stem)}_grads*.npz"))
    arrays = GoldenArrays()
    for part in [path, *beside]:
        case = re.search(r"_grads_(arc\d+)$", part.stem)
        for name, array in _read(part).items():
            arrays[f"grad_{case[1]}/{name[5:]}" if case and name.startswith("grad/") else name] = array
    return arrays


def _read(path):
    try:
        with open(path, "rb") as file:
            if not zipfile.is_zipfile(file):
                raise ValueError("it is no archive of arrays")
            file.seek(0)
            arrays = np.load(file, allow_pickle=False)
            return {name: arrays[name] for name in arrays.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise UserError(f"cannot read {path}: {error}; give a .npz file of golden data") from error


def is_gradient_file(path):
    """True for the companion files that `load` reads together with the file they belong to."""
    stem = pathlib.Path(path).stem
    return "_grads" in stem and pathlib.Path(path).with_name(stem.split("_grads")[0] + ".npz").exists()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], epilog="Exit status 1 above the allowed difference.")
    parser.add_argument("files", nargs="+", metavar="FILE.npz", help="golden data; gradient files are read with their partner")
    parser.add_argument("--context", choices=("cpu", "cudnn"), default="cpu", help="where our side computes")
    parser.add_argument("--cpu-kernels", choices=NAMES, default="onednn", help="what computes image networks on the CPU")
    parser.add_argument("--tolerance", type=float, default=TOLERANCE, help="largest difference allowed (1e-4)")
    options = parser.parse_args()
    files, tolerance = options.files, options.tolerance
    choose_context(options.context, "0", "float", print)
    choose_kernels(options.context, options.cpu_kernels, None, print)
    worst = 0.0
    for path in dict.fromkeys(_partner(path) for path in files):
        print(path)
        for quantity, difference in compare_file(load(path)):
            verdict = "" if difference <= tolerance else "   <- too large"
            print(f"  {quantity:55s} {difference:.2e}{verdict}", flush=True)
            worst = max(worst, difference if np.isfinite(difference) else np.inf)
    print(f"largest relative difference {worst:.2e}, allowed {tolerance:.0e}")
    return int(worst > tolerance)


def _partner(path):
    path = pathlib.Path(path)
    return path.with_name(path.stem.split("_grads")[0] + ".npz") if is_gradient_file(path) else path


if __name__ == "__main__":
    report_and_exit(main)
