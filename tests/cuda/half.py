"""Half precision where the CPU computes: sums and means of graphs in a context of half are made as 16-bit numbers."""

import contextlib

import nnabla as nn
import numpy as np

HALF = nn.Context(["cudnn:half", "cudnn:float", "cuda:half", "cuda:float", "cpu:float"], "CpuCachedArray", "0")
REDUCTIONS = {"Sum": np.sum, "Mean": np.mean}


@contextlib.contextmanager
def half_sums():
    """The context of a GPU that computes in half; gives a list of reductions made: type, shape of the output, was it in half."""
    made = []

    def round_off(function):
        kind, output = function.info.type_name, function.outputs[0]
        if kind not in REDUCTIONS:
            return
        in_half = "half" in function.context.backend[0]
        made.append((kind, output.shape, in_half))
        if in_half:
            axes = tuple(function.info.args.get("axes") or range(len(function.inputs[0].shape)))
            total = np.sum(function.inputs[0].data.data, axis=axes, dtype=np.float16).reshape(output.shape)
            count = function.inputs[0].size // max(output.size, 1)
            output.data.data = total / (np.float16(count) if kind == "Mean" else 1)

    nn.set_function_post_hook("half", round_off)
    try:
        with nn.context_scope(HALF), np.errstate(over="ignore"):
            yield made
    finally:
        nn.unset_function_post_hook("half")
