"""Figures that anybody can measure again: `python -m benchmarks.<name>`."""

import sys

if "benchmarks.torch_step" not in getattr(sys, "orig_argv", ()):  # that one runs in a Python of PyTorch's
    import environment  # noqa: F401 - a wrong Python ends here
import errors  # noqa: F401 - keeps NNabla from reporting its start
