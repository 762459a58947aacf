"""The policy gradient against chance and evolution on NAS-Bench-Macro.

    python -m experiments.nas_bench_macro --table TABLE             4 minutes of one core
    python -m experiments.nas_bench_201.summary                     the table in RESULTS.md

TABLE is the benchmark's CIFAR-10 .json file, which may be compressed (.json.xz); docs/search.md says where it is.
A reward is the accuracy of the first of three trainings, what is found is judged by the mean of the two others.
"""

import argparse

from errors import report_and_exit
from experiments import record
from experiments.nas_bench_201 import look_ups
from experiments.nas_bench_macro.table import read_tables


def main():
    """Compare the methods and write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", required=True, metavar="FILE", help="accuracies of all networks")
    parser.add_argument("--seeds", type=int, default=200, metavar="N", help="how many [%(default)s]")
    parser.add_argument("--results", default=record.RESULTS, metavar="DIR")
    options = parser.parse_args()
    origin, (rewards, truth) = record.origin(), read_tables(options.table)
    result = look_ups.compare(rewards, truth, range(options.seeds), print)
    print(record.write("nas_bench_macro_look_ups", origin | result, options.results))


if __name__ == "__main__":
    report_and_exit(main)
