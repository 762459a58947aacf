"""Stands in for NNabla's CUDA extension where there is no GPU: the same contexts, computed on the CPU.

It is found when its folder, tests/cuda/extension, is on PYTHONPATH. STANDIN_CONVOLUTION makes convolutions fail, with an error of
that text or, for "abort", as cuDNN does when a part of it is missing; STANDIN_NOISE makes the import noisy.
"""

import os
import sys

import nnabla.function
from nnabla.variable import Context

_KINDS = {"float": ("float",), "half": ("half", "float")}


def context(device_id="0", type_config="float", **more):
    """The context of a GPU, but that arrays are the CPU's."""
    backends = [f"{library}:{kind}" for library in ("cudnn", "cuda") for kind in _KINDS[type_config]]
    return Context([*backends, "cpu:float"], "CpuCachedArray", device_id=str(device_id))


def synchronize(device_id="0", **more):
    """Nothing runs ahead here."""


def _failing_convolution(ctx, *arguments):
    text = os.environ["STANDIN_CONVOLUTION"]
    if text == "abort":
        print("Could not load library libcudnn_cnn_infer.so.8. Error: libcudnn_cnn_infer.so.8: cannot open", file=sys.stderr)
        sys.stderr.flush()
        os.abort()
    raise RuntimeError(text)


if "STANDIN_CONVOLUTION" in os.environ:
    nnabla.function.Convolution = _failing_convolution
if "STANDIN_NOISE" in os.environ:
    print("GPU compatibility could not be verified due to a problem getting the GPU list.", flush=True)
    os.write(2, b"openmpi library is not found, distribution training feature is disabled.\n")
