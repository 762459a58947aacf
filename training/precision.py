"""What is computed in float32 although --type-config says half, and what on the CPU although --context says cudnn."""

import contextlib

import nnabla as nn


@contextlib.contextmanager
def full_precision():
    """Inside, what is computed at once is in float32, and so is what graphs built there compute, whatever --type-config says.

    For all that is small or adds small to large: the updates of the weights, the controller, sums and means of losses (the
    greatest number in half is 65504, which 9.21 nats over 256 x 35 words exceed).
    """
    context = nn.get_current_context()
    backends = [backend.replace(":half", ":float") for backend in context.backend]
    if backends == context.backend:
        yield
        return
    with nn.context_scope(nn.Context(backends, context.array_class, context.device_id)):
        yield


@contextlib.contextmanager
def on_host():
    """Inside, what is computed at once, and what graphs built there compute, is on the CPU in float32.

    For what is too small for a GPU and needs its numbers at once: the controller computes while the GPU does.
    """
    context = nn.get_current_context()
    if context.backend[0].startswith("cpu"):
        yield
        return
    with nn.context_scope(nn.Context(["cpu:float"], "CpuCachedArray", "0")):
        yield
