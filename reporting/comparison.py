"""One page of several runs: searches and retrainings that differ in the seed alone make a group, groups are compared."""

import os
import pathlib
import statistics

from errors import UserError
from file_names import CONFIG, FREE
from reporting import page
from reporting.charts import Line, chart
from reporting.parts import REPORT, for_people, shown_quality, with_unit
from reporting.relations import link
from reporting.run_files import LESS_IS_BETTER, Run, read_run
from reporting.svg import SERIES

# Options that may differ within a group.
INDIVIDUAL = (
    *FREE, "seed", "monitor_save_path", "recommended_arch", "data_dir", "context", "model_save_interval", "cpu_kernels",
)  # fmt: skip
TELLING = ("space", "controller", "preset", "dataset", "schedule", "num_layers", "num_cells", "num_nodes", "output_filter")


class Group:
    """Runs with equal options. `searches`: list of `Run`; `retrainings`: list of `Run` of what these searches found."""

    def __init__(self, options):
        self.options, self.name = options, ""
        self.searches, self.retrainings = [], []

    @property
    def runs(self):
        return self.searches or self.retrainings


def comparison(folders, output):
    """HTML of the runs in `folders`; links are relative to the file `output`. Raises UserError if they have no common measure.

    A retraining lies in the folder `retrain` of a search's, or is named itself; then it belongs to the search that found its
    architecture, or to none, also when that search's folder holds it.
    """
    groups = group_runs(_with_retrainings(folders))
    runs = [run for group in groups for run in group.runs]
    measure = runs[0].measure
    other = next((run for run in runs if run.measure != measure), None)
    if other:
        raise UserError(f"{runs[0].folder} is measured by {measure}, {other.folder} by {other.measure}; compare runs of one kind")
    title = f"comparison of {len(runs)} run{'s' if len(runs) > 1 else ''}"
    return page.page(
        title,
        page.card(f"<h1>{title}</h1><p>Lines: mean over the runs of a group; bands: lowest to highest.</p>"),
        _all_charts(groups, measure),
        page.heading("groups", _group_table(groups, measure)),
        page.heading("runs", _run_table(groups, os.path.dirname(os.path.abspath(output)))),
        _option_tables(groups),
    )


# ---- which runs belong together -------------------------------------------------------------------------------------


def _with_retrainings(folders):
    runs = {}
    for folder in map(pathlib.Path, folders):
        for place in (folder, folder / "retrain"):
            if place == folder or (place / CONFIG).exists():
                runs[place.resolve()] = _complete(read_run(place))
    return list(runs.values())


def _complete(run):
    """A `Run` whose options say how long it is and what it trains."""
    names = ("max_search_iter",) if run.kind == "search" else ("epoch_on_retrain", "architecture")
    missing = [name for name in names if name not in run.options]
    if missing:
        raise UserError(f"{run.folder / CONFIG} lacks the option {missing[0]}; give the --monitor-path of another run")
    return run


def group_runs(runs):
    """List of named `Group`."""
    groups, data_names = {}, _data_names(runs)
    searches = [run for run in runs if run.kind == "search"]
    for run in searches:
        _group_of(groups, run, data_names).searches.append(run)
    for run in runs:
        if run.kind == "retrain":
            _group_of(groups, _source(searches, run), data_names).retrainings.append(run)
    _name(list(groups.values()))
    return list(groups.values())


def _data_names(runs):
    """Dict: `data_key` -> the name of these data, unlike those of all others."""
    shown = {}
    for run in runs:
        shown.setdefault(run.data_key, run.data_set)
    names = list(shown.values())
    return {key: name if names.count(name) == 1 else f"{name} ({key})" for key, name in shown.items()}


def _source(searches, retraining):
    """The search that a retraining belongs to, or itself.

    That is the one in whose folder it lies, if it derived the architecture at all, else the first whose best it is.
    """
    if retraining.other_form():
        return retraining  # what another network reaches is no further result of the search's
    text = retraining.options["architecture"]
    searches = [search for search in searches if search.space == retraining.space]
    inside = (search for search in searches if search.folder.resolve() in retraining.folder.resolve().parents)
    found = [search for search in inside if any(row.architecture == text for row in search.derived)]
    found += [search for search in searches if search.best() and search.best().architecture == text]
    return found[0] if found else retraining


def _group_of(groups, run, data_names):
    options = {name: value for name, value in run.options.items() if name not in INDIVIDUAL}
    options |= {"space": run.space, "kind": run.kind, "dataset": data_names[run.data_key]}
    return groups.setdefault(tuple(sorted((name, repr(value)) for name, value in options.items())), Group(options))


def _name(groups):
    """A group's name is as few of its options as tell the groups apart."""
    telling, parts = [], 1
    for name in _differing(groups):
        apart = len({_values(group, [*telling, name]) for group in groups})
        if apart > parts:
            telling, parts = [*telling, name], apart
    for group in groups:
        shown = [f"{name.replace('_', '-')} {_told(group, name)}" for name in telling if name in group.options]
        group.name = ", ".join(shown) or f"{group.options['space']} {group.options['kind']}"


def _told(group, name):
    """An option's value; instead of an architecture, which is long, the name of the only run directory that has it."""
    alone = name == "architecture" and len(group.runs) == 1
    return group.runs[0].folder.name if alone else group.options[name]


def _differing(groups):
    """Options that are not the same in all groups, those that people compare first."""
    names = sorted({name for group in groups for name in group.options}, key=lambda name: (_rank(name), name))
    return [name for name in names if len({_values(group, [name]) for group in groups}) > 1]


def _rank(name):
    return TELLING.index(name) if name in TELLING else len(TELLING)


def _values(group, names):
    return tuple(repr(group.options.get(name)) for name in names)


def _option_tables(groups):
    differing = _differing(groups)
    common = {name: value for name, value in groups[0].options.items() if name not in differing}
    rows = [
        (f"<code>--{page.escape(name.replace('_', '-'))}</code>", *(page.escape(g.options.get(name, "-")) for g in groups))
        for name in differing
    ]
    tables = page.options_table(common, "options that all groups have")
    if rows:
        tables = page.folded("options that differ", page.table(("", *(group.name for group in groups)), rows)) + tables
    return tables


# ---- curves ---------------------------------------------------------------------------------------------------------


def _all_charts(groups, measure):
    """For each data set charts of its own: what was reached on different ones has no common axis."""
    by_data = {}
    for group in groups:
        by_data.setdefault(group.options["dataset"], []).append(group)
    parts = [
        (data_set, page.charts(*_search_charts(same, measure), _retraining_chart(same, measure)))
        for data_set, same in by_data.items()
    ]
    if len(parts) == 1:
        return parts[0][1]
    return "".join(page.heading(f"data set {data_set}", charts) for data_set, charts in parts)


def _search_charts(groups, measure):
    better = min if measure in LESS_IS_BETTER else max
    curves = {
        "best so far": lambda run: _best_so_far(run, better),
        "mean of derived architectures": _mean_derived,
        "best of the iteration": lambda run: run.series.get(f"Validation-{run.measure}", []),
    }
    for title, points_of in curves.items():
        lines = [_spread(group.name, [points_of(run) for run in group.searches], measure) for group in groups]
        yield _chart(with_unit(f"{measure}: {title}", measure), lines, "iteration", measure)
    rewards = [_spread(group.name, [run.series.get("Controller-reward", []) for run in group.searches]) for group in groups]
    yield _chart("reward of the controller", rewards, "iteration", measure)


def _retraining_chart(groups, measure):
    lines = [_spread(group.name, [run.held_out()[1] for run in group.retrainings], measure) for group in groups]
    return _chart(with_unit(f"{measure} in retraining", measure), lines, "epoch", measure)


def _chart(title, lines, x_name, measure):
    colored = [Line(line.name, line.points, line.band, SERIES[n % len(SERIES)]) for n, line in enumerate(lines)]
    logarithmic = measure in LESS_IS_BETTER and measure in title
    return chart(title, colored, x_name, logarithmic=logarithmic, legend=len(lines) > 1)


def _spread(name, curves, measure=""):
    """The mean of curves, lists of (index, value), where all of them have a value, with a band from lowest to highest."""
    curves = [dict(for_people(curve, measure)) for curve in curves if curve]
    common = sorted(set.intersection(*map(set, curves))) if curves else []
    columns = [(x, [curve[x] for curve in curves]) for x in common]
    points = [(x, statistics.fmean(values)) for x, values in columns]
    band = [(x, min(values), max(values)) for x, values in columns] if len(curves) > 1 else ()
    return Line(name, points, tuple(band))


def _by_iteration(derived):
    rows = {}
    for row in derived:
        rows.setdefault(row.iteration - 1, []).append(row.quality)
    return sorted(rows.items())


def _mean_derived(run):
    return [(index, statistics.fmean(values)) for index, values in _by_iteration(run.derived)]


def _best_so_far(run, better):
    """Of the `allowed` architectures."""
    best, points = None, []
    for index, values in _by_iteration(run.allowed()):
        best = better([*values] if best is None else [*values, best])
        points.append((index, best))
    return points


# ---- tables ---------------------------------------------------------------------------------------------------------


def _group_table(groups, measure):
    header = (
        "group", "runs", f"best {measure} of a search: mean", "best", "derived in the last iteration: mean",
        f"{measure} after retraining: mean", "best", "retrainings",
    )  # fmt: skip
    return page.card(page.table(header, [_group_row(group) for group in groups], range(1, 8), "stacked"))


def _group_row(group):
    found = [run.best().quality for run in group.searches if run.best()]
    last = [_mean_derived(run)[-1][1] for run in group.searches if run.derived]
    final = [result for run in group.retrainings if (result := final_quality(run)) is not None]
    run = group.runs[0]
    return (
        page.escape(group.name), len(group.runs), _mean(run, found), _best(run, found), _mean(run, last),
        _mean(run, final), _best(run, final), len(final),
    )  # fmt: skip


def final_quality(run):
    """What a retraining reached on the test set, or on what it measures while it is under way; None if nothing."""
    if run.finished and run.measure in run.finished:
        return run.finished[run.measure]
    points = run.held_out()[1]
    return points[-1][1] if points else None


def _mean(run, values):
    if not values:
        return "-"
    spread = f" ± {shown_quality(run, statistics.stdev(values))}" if len(values) > 1 else ""
    return shown_quality(run, statistics.fmean(values)) + spread


def _best(run, values):
    return shown_quality(run, (min if run.measure in LESS_IS_BETTER else max)(values)) if values else "-"


def _run_table(groups, folder):
    rows = [_run_row(group, run, folder) for group in groups for run in group.searches + group.retrainings]
    header = ("run", "kind", "group", "seed", "done", "result", "parameters", "architecture (.txt form)")
    note = "<small>Parameters are those of the final network. ± is the standard deviation over runs.</small>"
    return page.card(page.table(header, rows, (3, 4, 5, 6), "stacked"), note)


def _run_row(group, run: Run, folder):
    if run.kind == "search":
        best = run.best()
        quality, text, parameters = (best.quality, best.architecture, best.parameters) if best else (None, "", None)
    else:
        quality, text, parameters = final_quality(run), run.options["architecture"], run.evaluation.get("parameters")
    return (
        link(folder, run, REPORT, run.folder), page.escape(run.kind), page.escape(group.name),
        page.escape(run.options.get("seed", "-")),
        page.escape(f"{run.done} of {run.rounds}"), "-" if quality is None else shown_quality(run, quality),
        "-" if parameters is None else f"{parameters:,}", page.copyable(text) if text else "-",
    )  # fmt: skip
