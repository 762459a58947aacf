"""Figures that anybody can measure again: `python -m benchmarks.<name>`."""
