"""Which CPU kernels run under the graphs: oneDNN's (for text NumPy's), 4 to 8 times as fast, or NNabla's own.

`choose` gives a set of kernels, an object with the functions of `nnabla_functions.NNablaKernels` that says in which layout
it takes images. `runs/device.py` chooses, `models/layers.py` is the only user. Graphs to be exported are built with
`choose("nnabla")`.
"""

import os

import nnabla as nn

from errors import UserError
from kernels import quick_imports
from kernels.nnabla_functions import DEPTHWISE, NNablaKernels

NAMES = ("onednn", "nnabla")
PRECISIONS = ("float", "bfloat16")
LAYOUTS = ("NCHW", "NHWC")
MPI_SIZES = ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MV2_COMM_WORLD_SIZE")  # Open MPI; MPICH and Intel MPI; MVAPICH

quick_imports.install()


def choose(name="onednn", threads=None, context=None, layout=None, log=print, precision="float"):
    """The kernels `name`, for the NNabla context `context` (default: the current one).

    threads: of oneDNN; default: what OMP_NUM_THREADS says, else all cores of this process, one under mpirun. It holds for
    the calling thread; the last call counts for all graphs built later. layout: default what is fastest, "NHWC" for
    oneDNN, "NCHW" for NNabla. precision: "bfloat16" rounds what oneDNN's dense convolutions multiply, and a language
    model's output layer in training; their sums are float32.
    Falls back to NNabla's own, and says why in one line to `log`, if the library is missing or the context is no CPU, and to
    "float" where the processor has no instructions for bfloat16.
    Raises UserError for a wrong name, layout or number of threads.
    """
    if name not in NAMES:
        raise UserError(f"unknown CPU kernels {name!r}: choose one of {', '.join(NAMES)}")
    if layout not in (None, *LAYOUTS):
        raise UserError(f"unknown layout {layout!r}: choose one of {', '.join(LAYOUTS)}")
    if precision not in PRECISIONS:
        raise UserError(f"unknown precision {precision!r}: choose one of {', '.join(PRECISIONS)}")
    if threads is not None and threads < 1:
        raise UserError(f"{threads} CPU threads: give a number from 1, or none for all cores")
    if name == "onednn":
        reason = _obstacle(context or nn.get_current_context())
        if not reason:
            from kernels import onednn_kernels

            return onednn_kernels.create(layout or "NHWC", threads or _default_threads(), precision, log)
        log(f"kernels: NNabla's own, because {reason}")
    layout = layout or "NCHW"
    kernels = NNablaKernels(layout, 1, f"NNabla {nn.__version__}, {layout}")
    kernels.depthwise = DEPTHWISE
    return kernels


def _obstacle(context):
    """Why oneDNN cannot run there, or None."""
    if context.backend[0] not in ("cpu:float", "cpu"):
        return f"oneDNN runs on the CPU in float32, not in the context {context.backend[0]}"
    try:
        from kernels import onednn_binding  # noqa: F401  loads the library
    except OSError as error:
        return f"oneDNN does not load ({error}); pip install onednn-cpu-gomp==2023.2.0, and libgomp1 from the system"
    return None


def threads_are_free():
    """Whether the environment leaves the number of threads open."""
    return _threads_asked_for() is None and _ranks() == 1


def _default_threads():
    return _threads_asked_for() or (1 if _ranks() > 1 else len(os.sched_getaffinity(0)))


def _threads_asked_for():
    """The (first) number in OMP_NUM_THREADS, or None."""
    first = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    return int(first) if first.isdecimal() and int(first) else None


def _ranks():
    return max(int(os.environ.get(variable, 1)) for variable in MPI_SIZES)
