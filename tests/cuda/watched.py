"""All six scripts where the stand-in is the GPU, watched: which functions they ask for, what types of numbers these read.

    PYTHONPATH=tests/cuda/extension python -m tests.cuda.watched FOLDER float|half

writes FOLDER/watched.json. The scripts find and leave their files in FOLDER.
"""

import json
import os
import pathlib
import runpy
import sys

import nnabla as nn
import nnabla.function
import nnabla.solver
import numpy as np

from runs import cuda_probe, device

ROOT = pathlib.Path(__file__).parents[2]
IMAGES = "-c cudnn --preset quick --train-size 32 -b 16 --output-filter 4 --quiet --cutout 4"
TEXT = "-c cudnn --preset quick --dataset ptb --data-dir . -b 4 --hidden-size 8 --bptt 4 --num-nodes 3 --quiet"
SEARCH = "-i 1 -e 1 -C 2 --controller-steps 2 --num-derive 2"
SCRIPTS = [
    f"macro_search.py {IMAGES} {SEARCH} --validation-size 1400 --num-layers 3 -m macro",
    f"macro_retrain.py {IMAGES} -r 1 -f 0 -m macro --label-smoothing 0.1",
    f"micro_search.py {IMAGES} {SEARCH} --validation-size 1400 --num-cells 3 --num-nodes 3 -m micro",
    f"micro_retrain.py {IMAGES} -r 1 -f 0 --num-cells 3 --auxiliary-head True --drop-path-keep-prob 0.8 -m micro",
    f"ptb_search.py {TEXT} {SEARCH} -m recurrent",
    f"ptb_retrain.py {TEXT} -r 1 -m recurrent".replace(" --num-nodes 3", ""),
]


class Watch:
    """What is seen of functions made for a GPU: types of functions, of solvers, of the numbers that functions read."""

    def __init__(self):
        self.functions, self.solvers, self.numbers = set(), set(), set()  # of the form "Affine half"

    def install(self):
        """See whatever is made from now on in this process."""
        for module, seen in ((nnabla.function, self.functions), (nnabla.solver, self.solvers)):
            for name, made in list(vars(module).items()):
                if name[0].isupper() and callable(made) and not isinstance(made, type):
                    setattr(module, name, self._seeing(name, made, seen))
        nn.set_function_pre_hook("watch", self._read)

    def _seeing(self, name, made, seen):
        def make(*arguments, **more):
            first = arguments[0] if arguments else None
            context = first if isinstance(first, nn.Context) else nn.get_current_context()
            library, _, precision = context.backend[0].partition(":")
            if library == "cudnn":
                seen.add(f"{name} {precision}")
            return made(*arguments, **more)

        return make

    def _read(self, function):
        if function.context.backend[0].startswith("cudnn"):
            self.numbers |= {f"{function.info.type_name}: {array_type(variable.data)}" for variable in function.inputs}


def array_type(array):
    """Name of the type of an NdArray's numbers; "none" of one that holds none yet."""
    try:
        return np.dtype(array.dtype).name
    except RuntimeError:
        return "none"


def main(folder, precision):
    os.chdir(folder)
    device.probe = lambda *_: cuda_probe.Finding(None)  # has its own tests
    watch = Watch()
    watch.install()
    for line in SCRIPTS:
        name, *sys.argv[1:] = f"{line} --type-config {precision}".split()
        sys.argv[0] = str(ROOT / name)
        try:
            runpy.run_path(str(ROOT / name), run_name="__main__")
        except SystemExit as end:
            assert not end.code, line
    found = {name: sorted(seen) for name, seen in vars(watch).items()}
    pathlib.Path("watched.json").write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main(*sys.argv[1:])
