"""ENAS on NAS-Bench-201, where the true accuracy of every architecture is known.

    python -m experiments.nas_bench_201 look-ups --table TRUTH --tuning-table TUNING                    5 minutes of one core

TRUTH is a .csv or .csv.xz file with the columns ArchitectureString and CIFAR10TestAccuracy200Epochs, TUNING one with cellstr and
cifar10-val (12 epochs); README.md says where both come from.
"""

import argparse

from errors import report_and_exit
from experiments import record
from experiments.nas_bench_201 import look_ups
from experiments.nas_bench_201.table import TRUTH, TUNING, read_table


def main():
    options = _parse()
    truth, tuning = read_table(options.table, TRUTH), read_table(options.tuning_table, TUNING)
    result = look_ups.compare(tuning, truth, range(options.seeds), print)
    print(record.write("nas_bench_201_look_ups", record.origin() | result, options.results))


def _parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("look-ups",))
    parser.add_argument("--table", required=True, metavar="FILE", help="true accuracies")
    parser.add_argument("--tuning-table", metavar="FILE", help="accuracies after 12 epochs")
    parser.add_argument("--seeds", type=int, default=200, metavar="N")
    parser.add_argument("--results", default=record.RESULTS, metavar="DIR")
    return parser.parse_args()


if __name__ == "__main__":
    report_and_exit(main)
