"""Tables of RESULTS.md about NAS-Bench-201, and the figure of its learning curves, out of results/*.json.

    python -m experiments.nas_bench_201.summary
"""

import json
import pathlib
import statistics

from errors import report_and_exit
from experiments import record
from experiments.figures import new_figure, save_figure
from experiments.measures import mean_and_spread, paired_difference, wilcoxon
from experiments.nas_bench_201 import look_ups
from reporting.svg import SERIES

CONTROL = "random"
CURVES = {"expected": "expected true accuracy of the policy (%)", "derived": "true accuracy of the derived cell (%)"}


def look_ups_table(result):
    """Markdown of a result of `look_ups.compare`."""
    lines = _header(["method", *(f"{budget} look-ups" for budget in result["budgets"]), "CPU seconds"])
    for name, method in result["methods"].items():
        cells = [f"{mean:.2f} ± {spread:.2f}" for mean, spread in look_ups.summary(method)]
        lines.append(_row([name, *cells, f"{method['seconds_of_cpu_each']:.2f}"]))
    return "\n".join(lines)


def searches_table(searches):
    """Markdown of finished searches (dicts as `nas_bench_201/*.json`): by arm, and the paired difference from chance."""
    titles = ["arm", "seeds", "derived cell, true (%)", "minus random", "p (Wilcoxon)", "policy, expected (%)", "Spearman"]
    lines, arms = _header(titles), _by_arm(searches)
    derived = {arm: _last(items, "derived") for arm, items in arms.items()}
    for arm, items in arms.items():
        values = list(derived[arm].values())
        ranks = statistics.fmean(item["iterations"][-1]["ranks"]["spearman"] for item in items)
        expected = statistics.fmean(_last(items, "expected").values())
        mean, spread = mean_and_spread(values)
        difference = _difference(derived[arm], derived.get(CONTROL)) if arm != CONTROL else ("", "")
        found = f"{mean:.2f} ± {spread:.2f}" if len(values) > 1 else f"{mean:.2f}"
        lines.append(_row([arm, len(values), found, *difference, f"{expected:.2f}", f"{ranks:.2f}"]))
    return "\n".join(lines)


def _difference(of, against):
    """(mean with its 95 % interval, p of Wilcoxon's test) over the seeds that both have."""
    pairs = sorted(of.keys() & (against or {}).keys())
    if len(pairs) < 2:
        return "", ""
    mean, half = paired_difference(*({seed: [values[seed]] for seed in pairs} for values in (of, against)))
    p = wilcoxon([(of[seed], against[seed]) for seed in pairs])
    return f"{mean:+.2f} ± {half:.2f} ({len(pairs)} pairs)", f"{p:.3f}"


def draw_curves(searches, file):
    """PNG: one line a search, one color an arm."""
    figure = new_figure(9, 3.6)
    for axes, (name, title) in zip(figure.subplots(1, len(CURVES)), CURVES.items(), strict=True):
        for color, (arm, items) in zip(SERIES, _by_arm(searches).items(), strict=False):
            for number, item in enumerate(items):
                rows = item["iterations"]
                x = [row["iteration"] + 1 for row in rows]
                axes.plot(x, [row[name] for row in rows], color=color, lw=1.2, label=None if number else arm)
        axes.set(xlabel="iteration", title=title)
        axes.title.set_fontsize(9)
    axes.legend(frameon=False, fontsize=8)
    save_figure(figure, file)


def finished_searches(folder=record.RESULTS):
    """The results of searches, in the order of their files."""
    return [json.loads(path.read_text()) for path in sorted((pathlib.Path(folder) / "nas_bench_201").glob("*.json"))]


def main():
    """Print the tables, draw the figure."""
    print(look_ups_table(record.read("nas_bench_201_look_ups")))
    searches = finished_searches()
    if searches:
        print("\n" + searches_table(searches))
        draw_curves(searches, record.RESULTS.parent / "figures" / "nas_bench_201.png")


def _by_arm(searches):
    arms = {}
    for item in searches:
        arms.setdefault(item["arm"], []).append(item)
    return arms


def _last(items, name):
    return {item["seed"]: item["iterations"][-1][name] for item in items}


def _header(titles):
    return [_row(titles), _row(["---"] * len(titles))]


def _row(cells):
    return f"| {' | '.join(map(str, cells))} |"


if __name__ == "__main__":
    report_and_exit(main)
