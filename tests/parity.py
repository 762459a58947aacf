"""Compare our networks, controllers and optimizers with arrays computed by the authors' code.

    python -m tests.parity tests/golden/*.npz

Reads any file of the forms described in tests/golden/README.md, whatever the architecture, the sizes and the values; the gradients
of `NAME.npz` may lie beside it in `NAME_grads.npz`. Prints the largest relative difference of each quantity, |ours - theirs| over
the largest |theirs|; for gradients the scale is that of the tensor, but at least a tenth of the largest gradient's (those that
vanish in exact arithmetic hold only rounding errors). Exit status 1 if one exceeds 1e-4, 2 if a file cannot be compared.
"""

import argparse
import pathlib

import numpy as np

from errors import UserError, report_and_exit
from tests.forms import compare_file
from training.device import choose_context

TOLERANCE = 1e-4


def load(path):
    """All arrays of a golden file, its gradients' file included. Raises UserError."""
    path = pathlib.Path(path)
    beside = sorted(path.parent.glob(f"{path.stem}_grads*.npz"))
    arrays = {}
    try:
        for part in [path, *beside]:
            with np.load(part, allow_pickle=False) as file:
                arrays.update({name: file[name] for name in file.files})
    except (OSError, ValueError) as error:
        raise UserError(f"cannot read {path}: {error}; give a .npz file of golden data") from error
    return arrays


def is_gradient_file(path):
    """True for the companion files that `load` reads together with the file they belong to."""
    stem = pathlib.Path(path).stem
    return "_grads" in stem and pathlib.Path(path).with_name(stem.split("_grads")[0] + ".npz").exists()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], epilog="Exit status 1 above the allowed difference.")
    parser.add_argument("files", nargs="+", metavar="FILE.npz", help="golden data; gradient files are read with their partner")
    parser.add_argument("--context", choices=("cpu", "cudnn"), default="cpu", help="where our side computes")
    parser.add_argument("--tolerance", type=float, default=TOLERANCE, help="largest difference allowed (1e-4)")
    options = parser.parse_args()
    files, tolerance = options.files, options.tolerance
    choose_context(options.context, "0", "float", print)
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
