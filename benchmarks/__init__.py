"""Figures that anybody can measure again: `python -m benchmarks.<name>`."""

import errors  # noqa: F401 - keeps NNabla from reporting its start
