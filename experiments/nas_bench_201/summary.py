"""Tables of RESULTS.md about NAS-Bench-201, and the figure of its learning curves, out of results/*.json.

    python -m experiments.nas_bench_201.summary

writes the tables between the marks in RESULTS.md; what stands around them is written by hand.
"""

import json
import pathlib
import statistics

import numpy as np

from errors import report_and_exit
from experiments import record
from experiments.figures import new_figure, save_figure
from experiments.measures import mean_and_spread, paired_difference, wilcoxon
from experiments.nas_bench_201 import look_ups
from experiments.nas_bench_201.settings import ARMS
from experiments.summary import PAGE, markdown, origin_of, put_in
from files import atomic_write
from reporting.svg import SERIES

CONTROL = "random"
CURVES = {
    "expected": "policy: expected true accuracy (%)",
    "derived": "derived cell: true accuracy (%)",
    "top_5": "policy: probability of the best 5 %",
}


def main():
    """Write the tables of RESULTS.md and the figure anew."""
    page = PAGE.read_text()
    for name, table in tables().items():
        page = put_in(page, name, table)
    with atomic_write(PAGE, "w") as file:
        file.write(page)
    with atomic_write(PAGE.parent / "figures" / "nas_bench_201.png") as file:
        draw_curves(finished_searches(), file)
    print(PAGE)


def tables():
    """Dict: name of a table -> its Markdown."""
    made = {name: look_ups_table(record.read(name)) for name in ("nas_bench_201_look_ups", "nas_bench_macro_look_ups")}
    if searches := finished_searches():
        made["nas_bench_201_searches"] = searches_table(searches)
    return made | {"nas_bench_201_frozen": frozen_table(record.read("nas_bench_201_frozen"))}


def look_ups_table(result):
    """Markdown of a result of `look_ups.compare`."""
    rows = []
    for name, method in result["methods"].items():
        cells = [f"{mean:.2f} ± {spread:.2f}" for mean, spread in look_ups.summary(method)]
        rows.append([name, *cells, f"{method['seconds_of_cpu_each']:.2f}"])
    return markdown(["method", *(f"{budget} look-ups" for budget in result["budgets"]), "CPU seconds"], rows)


def searches_table(searches):
    """Markdown of finished searches (dicts as `nas_bench_201/*.json`): by arm, and the paired difference from chance."""
    titles = [
        "arm", "seeds", "derived cell, true (%)", "worst", "minus random", "p (Wilcoxon)", "policy, expected (%)",
        "entropy, nats", "Spearman", "within bands", "best 5 %", "core minutes",
    ]  # fmt: skip
    arms = _by_arm(searches)
    derived = {arm: _last(items, "derived") for arm, items in arms.items()}
    rows = []
    for arm, items in arms.items():
        values = list(derived[arm].values())
        mean, spread = mean_and_spread(values)
        found = f"{mean:.2f} ± {spread:.2f}" if len(values) > 1 else f"{mean:.2f}"
        control = CONTROL + _size(items[0])
        difference = _difference(derived[arm], derived.get(control)) if arm != control else ("", "")
        policy = [f"{statistics.fmean(_last(items, name).values()):.2f}" for name in ("expected", "entropy")]
        names = ("spearman", "within_bands", "precision")
        ranks = [f"{statistics.fmean(item['iterations'][-1]['ranks'][name] for item in items):.2f}" for name in names]
        minutes = statistics.fmean(item["seconds_of_cpu"] for item in items) / 60
        rows.append([arm, str(len(values)), found, f"{min(values):.2f}", *difference, *policy, *ranks, f"{minutes:.1f}"])
    return "\n\n".join((markdown(titles, rows), "<sub>" + "; ".join(_origins(searches)) + ".</sub>"))


def _origins(searches):
    """A line for each date, commit and machine, with the seeds of then."""
    of = {}
    for item in searches:
        of.setdefault((item["date"], item["commit"], item["machine"]), []).append(item)
    return sorted(origin_of(items[0] | {"searches": items}) for items in of.values())


def frozen_table(result):
    """Markdown of a result of `frozen.explore`: the controllers, then how the weights rank."""
    curves = {name: curve[1:] for name, curve in result["controllers"].items()}
    updates = [row["update"] for row in next(iter(curves.values()))]
    titles = ["controller", *(f"expected and entropy after {update} updates" for update in updates)]
    rows = [[name, *(f"{row['expected']:.1f}, {row['entropy']:.2f}" for row in curve)] for name, curve in curves.items()]
    names = ("spearman", "within_bands", "cost")
    ranks = [[str(row["epochs"]), *(f"{row[name]:.2f}" for name in names)] for row in result["ranks"]]
    weights = markdown(["epochs", "Spearman", "within bands", "that of more computation alone"], ranks)
    return "\n\n".join((weights, markdown(titles, rows), f"<sub>{origin_of(result | {'searches': [result]})}.</sub>"))


def _difference(of, against):
    """(mean with its 95 % interval, p of Wilcoxon's test) over the seeds that both have."""
    pairs = sorted(of.keys() & (against or {}).keys())
    if len(pairs) < 2:
        return "", ""
    mean, half = paired_difference(*({seed: [values[seed]] for seed in pairs} for values in (of, against)))
    p = wilcoxon([(of[seed], against[seed]) for seed in pairs])
    return f"{mean:+.2f} ± {half:.2f} ({len(pairs)} pairs)", f"{p:.3f}"


def draw_curves(searches, file):
    """PNG: a line for the mean of an arm over its seeds, thin ones for the seeds; dashed with several cells in a stage."""
    figure = new_figure(13, 4)
    for axes, (name, title) in zip(figure.subplots(1, len(CURVES)), CURVES.items(), strict=True):
        for arm, items in _by_arm(searches).items():
            color = SERIES[list(ARMS).index(items[0]["arm"]) % len(SERIES)]
            style = "--" if _size(items[0]) else "-"
            epochs = [(row["iteration"] + 1) * items[0]["settings"]["epoch_per_search"] for row in items[0]["iterations"]]
            seeds = np.array([[row[name] for row in item["iterations"]] for item in items])
            axes.plot(epochs, seeds.T, style, color=color, lw=0.6, alpha=0.3)
            axes.plot(epochs, seeds.mean(axis=0), style, color=color, lw=1.8, label=arm)
        axes.set(xlabel="epochs of shared training")
        axes.set_title(title, fontsize=9)
    axes.legend(frameon=False, fontsize=7)
    save_figure(figure, file)


def finished_searches(folder=record.RESULTS):
    """The results of searches, in the order of their files."""
    return [json.loads(path.read_text()) for path in sorted((pathlib.Path(folder) / "nas_bench_201").glob("*.json"))]


def _by_arm(searches):
    """Arms by the size of the network, then in the order of the settings."""
    arms = {}
    for item in sorted(searches, key=lambda item: (item["settings"]["cells"], list(ARMS).index(item["arm"]), item["seed"])):
        arms.setdefault(item["arm"] + _size(item), []).append(item)
    return arms


def _size(item):
    cells = item["settings"]["cells"]
    return f", {cells} cells in a stage" if cells > 1 else ""


def _last(items, name):
    return {item["seed"]: item["iterations"][-1][name] for item in items}


if __name__ == "__main__":
    report_and_exit(main)
