"""NNabla's CUDA extension and the libraries it is linked with, out of NVIDIA's Python packages where those are installed."""

import contextlib
import ctypes
import importlib.util
import os
import re
import sys

PACKAGE = "nnabla-ext-cuda120"
ADVICE = "pip install '.[cuda]' brings it"

# In the order in which they load: each needs those before it. cuDNN looks for nvrtc under a name that its package does not have.
LIBRARIES = (
    "cuda_runtime/lib/libcudart.so.12",
    "cuda_nvrtc/lib/libnvrtc.so.12",
    "nvjitlink/lib/libnvJitLink.so.12",
    "cublas/lib/libcublasLt.so.12",
    "cublas/lib/libcublas.so.12",
    "cusparse/lib/libcusparse.so.12",
    "cusolver/lib/libcusolver.so.11",
    "curand/lib/libcurand.so.10",
    "cufft/lib/libcufft.so.11",
    "cudnn/lib/libcudnn.so.8",
    "nccl/lib/libnccl.so.2",
)
_MISSING = re.compile(r"(lib[\w.+-]*\.so[.\d]*): cannot open shared object")


def installed():
    """Is the extension there to be imported?"""
    return importlib.util.find_spec("nnabla_ext") is not None and importlib.util.find_spec("nnabla_ext.cudnn") is not None


def load():
    """Import the extension, in silence; returns the names of the libraries that came out of NVIDIA's packages.

    What those lack the system's loader looks for. Raises what the import raises, ImportError where a library is missing.
    """
    os.environ.setdefault("CUDA_MODULE_LOADING", "LAZY")  # kernels, as they are called
    found = preload()
    with silence():
        import nnabla_ext.cudnn  # noqa: F401
    return found


def preload():
    """Load the libraries that NVIDIA's packages hold, so that the extension finds them; returns their names."""
    specification = importlib.util.find_spec("nvidia")
    folders = list(specification.submodule_search_locations or ()) if specification else []
    paths = [os.path.join(folder, library) for library in LIBRARIES for folder in folders]
    found = [path for path in paths if os.path.exists(path)]
    for path in found:
        ctypes.CDLL(path)
    return [os.path.basename(path) for path in found]


def missing_library(text):
    """What to say of the library that an error's text misses, or None if it misses none."""
    match = _MISSING.search(text)
    return match and f"the library {match[1]} is missing: {ADVICE}"


@contextlib.contextmanager
def silence():
    """Inside, what Python and C write to standard output and standard error goes nowhere."""
    sys.stdout.flush()
    sys.stderr.flush()
    with contextlib.ExitStack() as stack:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        stack.callback(os.close, nowhere)
        for stream in (1, 2):
            kept = os.dup(stream)
            stack.callback(os.close, kept)
            stack.callback(os.dup2, kept, stream)
            os.dup2(nowhere, stream)
        try:
            yield
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
