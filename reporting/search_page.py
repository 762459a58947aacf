"""The page of a search: what it has derived, how the controller learns, what is best so far."""

import math

from file_names import TABLE
from reporting import page
from reporting.charts import Line, chart
from reporting.parts import (
    REPORT,
    command_card,
    curve,
    data_card,
    drawing_card,
    for_people,
    in_percent,
    learning,
    short,
    shown_quality,
    training_quality,
    with_unit,
)
from reporting.preferences import preferences, uniform_entropy
from reporting.relations import link
from reporting.run_files import LESS_IS_BETTER

BEST_SHOWN = 10
STRINGS_SHOWN = 30_000  # characters of architectures in the table of all; the others stand in the .csv file


def show(run, drawing, retrainings):
    """The parts of the page, HTML. `drawing`: of the best architecture; `retrainings`: list of `Run`."""
    best = run.best()
    if best:
        yield page.tiles(_best_figures(run, best))
    yield page.card(
        f"The {run.measure} in a search is measured with shared weights. It only ranks architectures: how good one is shows when "
        "it is trained from scratch."
    )
    title = with_unit(f"training {run.measure}", run.measure)
    training = chart(title, [training_quality(run)], "epoch", logarithmic=run.measure in LESS_IS_BETTER)
    yield page.charts(_derived_chart(run, best), _size_chart(run, best), *_policy_charts(run), *learning(run), training)
    yield page.heading("controller preferences", preferences(run))
    yield page.heading("best architecture", drawing_card(run, drawing))
    yield page.heading("ten best architectures", _best_table(run))
    if run.config.get("next_command"):
        command = page.copyable(run.config["next_command"])
        yield page.heading("next step: train the best architecture from scratch", page.card(command))
    yield page.heading("retrained from scratch", _retrained_table(run, retrainings))
    yield _whole_table(run)
    yield data_card(run)
    yield page.options_table(run.options)
    yield command_card(run)


def _best_figures(run, best):
    final = "final network"
    return [
        (f"best {run.measure}", shown_quality(run, best.quality), f"iteration {best.iteration}, shared weights"),
        ("parameters", short(best.parameters), f"{best.parameters:,}, {final}"),
        ("multiply-adds", short(best.multiply_adds), f"{best.multiply_adds:,} per {_example(run)}, {final}"),
        ("architectures derived", f"{len(run.derived)}", f"{len({row.architecture for row in run.derived})} different"),
    ]


def _example(run):
    return "word" if run.space == "recurrent" else "image"


def _derived_chart(run, best):
    """Every derived architecture a dot, a line through the best of each iteration, the one that is kept marked."""
    measure = run.measure
    dots = [(row.iteration, in_percent(row.quality, measure)) for row in run.derived]
    line = for_people(run.series.get(f"Validation-{measure}", []), measure)
    title = with_unit(f"{measure} of derived architectures", measure)
    return chart(
        title, [Line("best of the iteration", line)], "iteration", dots, "one architecture",
        best and (best.iteration, *_kept(run, best)), measure in LESS_IS_BETTER,
    )  # fmt: skip


def _kept(run, best):
    return in_percent(best.quality, run.measure), f"kept: {shown_quality(run, best.quality)}"


def _size_chart(run, best):
    """Quality against parameters of the final network; a line joins those `allowed` that no smaller one surpasses.

    Empty where all have one size, as recurrent cells do.
    """
    measure = run.measure
    if len({row.parameters for row in run.derived}) < 2:
        return ""
    dots, allowed = (_by_size(rows, measure) for rows in (run.derived, run.allowed()))
    front = Line("best up to this size", _front(allowed, measure in LESS_IS_BETTER), stepped=True)
    mark = best and (best.parameters, *_kept(run, best))
    title = with_unit(f"{measure} against parameters", measure)
    return chart(
        title, [front], "parameters", dots, "one architecture", mark, measure in LESS_IS_BETTER, whole_x=False
    )  # fmt: skip


def _by_size(rows, measure):
    rows = sorted(rows, key=lambda row: row.parameters)
    return [(row.parameters, in_percent(row.quality, measure)) for row in rows]


def _front(dots, less_is_better):
    """The points of `dots`, in order of x, that are better than all before them."""
    best, front = math.inf if less_is_better else -math.inf, []
    for x, y in dots:
        if y < best if less_is_better else y > best:
            best = y
            front.append((x, y))
    return front


def _policy_charts(run):
    names = {"reward": "Controller-reward", "baseline": "Controller-baseline"}
    uniform = uniform_entropy(run)
    level = None if uniform is None else (uniform, "uniform choices")
    return (
        curve(run, "reward", names, "iteration"),
        curve(run, "entropy of the controller", {"entropy": "Controller-entropy"}, "iteration", least=0, level=level),
        curve(run, "loss of the controller", {"loss": "Controller-loss"}, "iteration"),
    )


def _best_table(run):
    rows = [
        (number, shown_quality(run, row.quality), row.iteration, f"{row.parameters:,}", f"{row.multiply_adds:,}",
         page.copyable(row.architecture))
        for number, row in enumerate(run.ranking()[:BEST_SHOWN], 1)
    ]  # fmt: skip
    if not rows:
        return ""
    header = ("", run.measure, "iteration", "parameters", "multiply-adds", "architecture (.txt form)")
    note = f"<small>Costs, per {_example(run)}, are those of the final network that the command below trains.</small>"
    return page.card(page.table(header, rows, (0, 1, 2, 3, 4), "stacked"), note)


def _retrained_table(run, retrainings):
    rows = []
    for other in retrainings:
        name, points = other.held_out()
        reached = f"{page.escape(name.lower())} {shown_quality(other, points[-1][1])}" if points else ""
        place = page.escape(f"epoch {other.done} of {other.rounds}")
        rows.append((link(run.folder, other, REPORT), place, reached, page.copyable(other.architecture)))
    return page.card(page.table(("report", "done", "result", "architecture (.txt form)"), rows, name="stacked")) if rows else ""


def _whole_table(run):
    """All that was derived, to be sorted, best first."""
    if not run.derived:
        return ""
    rows, room = [], STRINGS_SHOWN
    for row in run.sorted_by_quality(run.derived):
        room -= len(row.architecture)
        rows.append(
            (shown_quality(run, row.quality), row.iteration, f"{row.parameters:,}", f"{row.multiply_adds:,}",
             "yes" if row.kept else "", page.escape(row.architecture) if room >= 0 else "")
        )  # fmt: skip
    header = (run.measure, "iteration", "parameters", "multiply-adds", "kept", "architecture (.txt form)")
    left_out = "" if room >= 0 else " It also lists the architectures omitted here."
    note = f'<p><small>The same as a file: <a href="{TABLE}">{TABLE}</a>.{left_out}</small></p>'
    table = page.table(header, rows, (0, 1, 2, 3), "sortable all").replace('class="scroll"', 'class="scroll tall"', 1)
    return page.folded(f"all {len(rows):,} derived architectures", note + table)
