"""Figures of RESULTS.md."""

import statistics

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from experiments.measures import PLAIN, by_arm
from reporting.svg import SERIES


def draw_comparison(result, file):
    """PNG of a comparison of searches: derived over the iterations, retrained by arm, shared against retrained."""
    scale, unit = (100, "accuracy (%)") if result["measure"] == "accuracy" else (1, "perplexity")
    figure = new_figure(11, 3.6)
    over_time, by_name, both = figure.subplots(1, 3)
    arms = list(by_arm(result["retrained"]))
    colors = dict(zip(arms, SERIES, strict=False))
    _iterations(over_time, result["searches"], colors, scale)
    over_time.set(title="derived architectures, shared weights", xlabel="iteration", ylabel=unit)
    if result["measure"] != "accuracy":
        over_time.set_yscale("log")
    _points(by_name, result["retrained"], colors, scale)
    by_name.set(title="retrained", ylabel=unit)
    for item in result["retrained"]:
        both.plot(scale * item["shared"], scale * item["retrained"], ".", color=colors[item["arm"]], alpha=0.7)
    both.set(title="shared weights and retrained", xlabel=f"shared weights, {unit}", ylabel=f"retrained, {unit}")
    save_figure(figure, file)


def draw_published(result, file):
    """PNG of what published and random architectures reach, epoch by epoch."""
    scale, unit = (100, "test accuracy (%)") if result["measure"] == "accuracy" else (1, "validation perplexity")
    figure = new_figure(5, 3.4)
    axes = figure.subplots()
    colors = dict(zip(by_arm(result["retrained"]), SERIES, strict=False))
    named = set()
    for item in result["retrained"]:
        epochs, values = zip(*item["held_out"], strict=True)
        label = None if item["arm"] in named else item["arm"]
        named.add(item["arm"])
        axes.plot([e + 1 for e in epochs], [scale * v for v in values], color=colors[item["arm"]], label=label, lw=1.3)
    axes.set(xlabel="epoch", ylabel=unit)
    axes.xaxis.get_major_locator().set_params(integer=True)
    if result["measure"] != "accuracy":
        axes.set_yscale("log")
    axes.legend(frameon=False, fontsize=8)
    save_figure(figure, file)


def new_figure(width, height):
    """An empty figure of so many inches, drawn without a screen."""
    figure = Figure((width, height), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _iterations(axes, searches, colors, scale):
    """Mean over the seeds of the mean of an iteration, with the range of the seeds."""
    curves = {}
    for search in searches:
        values = {}
        for iteration, quality in search["derived"]:
            values.setdefault(iteration, []).append(scale * quality)
        curves.setdefault(search["arm"], []).append([statistics.fmean(values[i]) for i in sorted(values)])
    for arm, runs in curves.items():
        columns = list(zip(*runs, strict=True))
        x = range(1, len(columns) + 1)
        axes.fill_between(x, [min(c) for c in columns], [max(c) for c in columns], color=colors[arm], alpha=0.15, lw=0)
        axes.plot(x, [statistics.fmean(c) for c in columns], color=colors[arm], label=arm)
    axes.legend(frameon=False, fontsize=8)


def _points(axes, items, colors, scale):
    """Every retrained architecture, a column for an arm, and a line at its mean."""
    arms = by_arm(items)
    for column, (arm, seeds) in enumerate(arms.items()):
        for number, values in enumerate(seeds.values()):
            x = column + 0.15 * (number - (len(seeds) - 1) / 2)
            axes.plot([x] * len(values), [scale * v for v in values], ".", color=colors[arm], alpha=0.7)
        mean = statistics.fmean(scale * value for values in seeds.values() for value in values)
        axes.plot([column - 0.3, column + 0.3], [mean, mean], color=colors[arm], lw=1.5)
    axes.set_xticks(range(len(arms)), [arm.replace(", ", ",\n").replace(PLAIN, "plain\nrandom") for arm in arms], fontsize=8)


def save_figure(figure, file):
    """PNG, the same bytes for the same figure."""
    figure.savefig(file, format="png", metadata={"Software": None})
