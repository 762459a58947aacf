"""How much of a retrained accuracy is luck? The plain random architectures of a comparison, retrained with other seeds.

    python -m experiments.again macro --data-dir DIR          about 6 minutes of one core
    python -m experiments.again micro --data-dir DIR          about 9
    python -m experiments.again recurrent --data-dir DIR      about 5

What two trainings of one architecture have in common is the most that any way of choosing can win.
"""

import pathlib

from errors import report_and_exit
from experiments import record
from experiments.commands import run_all
from experiments.measures import PLAIN
from experiments.search_or_chance import parse_options, prepare_data, retraining
from experiments.settings import COMPARISONS, REFERENCES
from reporting.comparison import final_quality
from reporting.run_files import read_run

OTHER = 100  # added to the seed


def main():
    """Retrain, then write the result."""
    options = parse_options(__doc__, REFERENCES, seeds=False)
    comparison, folder = COMPARISONS[options.name], pathlib.Path(options.folder or f"tmp.again_{options.name}").absolute()
    earlier = record.read(options.name, options.results)
    first = [item for item in earlier["retrained"] if item["arm"] == PLAIN]
    origin, data = record.origin(), prepare_data(options.data_dir, comparison.cut_lines, folder)
    commands = [
        retraining(comparison, item["architecture"], item["seed"] + OTHER, folder / f"{number}-{item['seed'] + OTHER}", data)
        for number, item in enumerate(first)
    ]
    run_all(commands, options.workers, print)
    runs = [read_run(command.run) for command in commands]
    retrained = [
        {"arm": PLAIN, "seed": item["seed"] + OTHER, "architecture": item["architecture"], "first": item["retrained"],
         "retrained": final_quality(run)}
        for item, run in zip(first, runs, strict=True)
    ]  # fmt: skip
    result = {"space": comparison.space, "measure": runs[0].measure, "first_commit": earlier["commit"], "retrained": retrained}
    settings = {"retrain": comparison.retrain, "cut_lines": comparison.cut_lines}
    print(record.write(f"{options.name}_again", origin | {"settings": settings} | result, options.results))


if __name__ == "__main__":
    report_and_exit(main, resumes=True)
