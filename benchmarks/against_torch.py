"""Training steps of the final networks here and in plain PyTorch, one after the other on the same machine.

    python -m benchmarks.against_torch --torch-python PYTHON --spaces macro micro --threads 2 --compile

PYTHON is one with PyTorch (2.13 was measured) and NumPy. First it is made sure that both compute the same network: parameters,
multiply-adds, and the logits of random images by the same random weights. Then each runs by itself, PyTorch in both its memory
formats, and with --compile by torch.compile too; the ratio is the time of its fastest one to ours.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import nnabla as nn
import numpy as np

from benchmarks.step_time import final_network
from benchmarks.workload import FILTERS, find_architecture
from errors import UserError, report_and_exit
from models import layers
from models.parameters import ParameterScope

ROOT = Path(__file__).parent.parent
COMPARED = 1e-4  # greatest relative difference of the logits
LAYOUTS = ("NCHW", "NHWC")


def main():
    """Print the steps of both frameworks; returns the exit status."""
    options = _parse()
    rows = []
    for space in options.spaces:
        rows.append(compare(space, options))
        if not options.json:
            print(_line(rows[-1]), flush=True)
    if options.json:
        print(json.dumps(rows, indent=1))
    return 0


def _parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--torch-python", required=True, metavar="PYTHON", help="interpreter that has PyTorch and NumPy")
    parser.add_argument("--spaces", nargs="+", choices=tuple(FILTERS), default=tuple(FILTERS))
    parser.add_argument("--architecture", help="random, published or a file (macro: random, micro: published)")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--output-filter", type=int, help="filters of the first layer or cell (36 macro, 20 micro)")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--processes", type=int, default=1, help="of ours, in place of --threads, which PyTorch keeps")
    parser.add_argument("--repeat", type=int, default=9, help="steps measured")
    parser.add_argument("--compile", action="store_true", help="measure torch.compile too, which needs a C++ compiler")
    parser.add_argument("--json", action="store_true", help="print a JSON list")
    return parser.parse_args()


def compare(space, options):
    """Dict of what was measured for one space. Raises UserError if the two networks differ or PyTorch does not run."""
    filters = options.output_filter or FILTERS[space]
    architecture = options.architecture or {"macro": "random", "micro": "published"}[space]
    network = ("--space", space, "--architecture", architecture, "--output-filter", str(filters))
    measured = (*network, "--batch-size", str(options.batch_size), "--repeat", str(options.repeat), "--json")
    difference = _difference(space, architecture, filters, network, options.torch_python)
    width = ("--processes", str(options.processes)) if options.processes > 1 else ("--cpu-threads", str(options.threads))
    ours = _run(sys.executable, "step_time", *measured, "--network", "final", "--only", "training", *width)
    variants = {layout: ("--layout", layout) for layout in LAYOUTS}
    if options.compile:
        variants["NHWC compiled"] = ("--compile", "--layout", "NHWC")
    theirs = {
        name: _run(options.torch_python, "torch_step", *measured, "--threads", str(options.threads), *variant)
        for name, variant in variants.items()
    }
    for key in ("parameters", "multiply_adds"):
        if any(each[key] != ours[key] for each in theirs.values()):
            raise UserError(f"not the same network: {ours[key]} {key} here, {[each[key] for each in theirs.values()]} in PyTorch")
    best = min(each["train_iteration_seconds"] for each in theirs.values())
    ratio = best / ours["train_iteration_seconds"]
    return {"space": space, "ratio": ratio, "logits_differ_by": difference, "ours": ours, "torch": theirs}


def _difference(space, architecture, filters, network, python):
    """Greatest relative difference of the logits. Raises UserError above `COMPARED`."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "logits.npz")
        save_logits(path, space, find_architecture(space, architecture), filters)
        difference = _run(python, "torch_step", *network, "--compare", path)["difference"]
    if not difference < COMPARED:
        raise UserError(f"not the same network: the logits of the {space} network differ by {difference:.2g}")
    return difference


def save_logits(path, space, architecture, filters):
    """Write images, random weights by name and the logits that they make in our final network to an .npz."""
    rng, scope = np.random.default_rng(1), ParameterScope(seed=1)
    images = nn.Variable.from_numpy_array(rng.standard_normal((2, 3, 32, 32), np.float32))
    with layers.plain():
        logits = final_network(space, filters, scope).build(images, architecture, layers.RUNNING).logits
    for name, variable in scope.all().items():
        if name.rpartition("/")[2] in ("beta", "gamma", "mean", "var"):
            variable.d = rng.uniform(0.5, 1.5, variable.shape)
    logits.forward()
    np.savez(path, images=images.d, logits=logits.d, **scope.arrays())


def _run(python, name, *arguments):
    """What `python -m benchmarks.<name>` prints as JSON."""
    command = [python, "-m", f"benchmarks.{name}", *arguments]
    try:
        result = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    except OSError as error:
        raise UserError(f"{python} does not start ({error}); give an interpreter that has PyTorch") from error
    if result.returncode:
        raise UserError(f"{' '.join(command)} failed with status {result.returncode}")
    return json.loads(result.stdout.splitlines()[-1])


def _line(row):
    ours, theirs = row["ours"], row["torch"]
    lines = [
        f"{row['space']}: PyTorch takes {row['ratio']:.2f} times as long",
        f"  both: {ours['parameters']:,} parameters, {ours['multiply_adds']:,} multiply-adds, "
        f"logits within {row['logits_differ_by']:.1e}",
        _figures("here", ours),
        *(_figures(f"PyTorch {each['torch']} {name}", each) for name, each in theirs.items()),
    ]
    return "\n".join(lines)


def _figures(name, result):
    compiling = result.get("compile_seconds")
    after = f", after {compiling:.0f} s to compile" if compiling else ""
    return f"  {name}: {result['train_iteration_seconds']:.3f} s, {result['peak_memory_mb']:.0f} MB{after}"


if __name__ == "__main__":
    report_and_exit(main)
