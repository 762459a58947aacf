"""ENAS on NAS-Bench-201 (Dong, Yang: ICLR 2020, arXiv:2001.00326), where the true accuracy of every architecture is known.

A search space of its own on the project's loop: `space` (cells and their strings), `network`, `controller`, `table` (the true
accuracies), `measures`, `search` (one run), `look_ups` (the policy gradient alone, without networks), `figures`.
`python -m experiments.nas_bench_201 --help` lists what can be run.
"""
