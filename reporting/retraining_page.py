"""The page of a retraining: its curves, what it reached compared with published results, which classes it confuses."""

from reporting import page
from reporting.charts import Line, chart
from reporting.confusion import confusion
from reporting.parts import (
    REPORT,
    command_card,
    data_card,
    drawing_card,
    for_people,
    learning,
    short,
    shown_quality,
    training_quality,
    with_unit,
)
from reporting.published import comparable
from reporting.relations import link
from reporting.run_files import LESS_IS_BETTER
from wording import percent_left


def show(run, drawing, searches):
    """The parts of the page, HTML. `drawing`: of the architecture; `searches`: the `Run` that found it, if any."""
    for search in searches:
        yield page.card(f"<p>The architecture was found by this search: {link(run.folder, search, REPORT)}</p>")
    name, points = run.held_out()
    yield page.tiles(_final_figures(run, name, points))
    yield page.charts(_held_out_chart(run, name, points), *learning(run))
    yield page.heading("compared with published results", _published_table(run))
    yield page.heading("confusion matrix", confusion(run.evaluation))
    yield page.heading("architecture", drawing_card(run, drawing))
    yield data_card(run)
    yield page.options_table(run.options)
    yield command_card(run)


def _final_figures(run, name, points):
    if points:
        best = (min if run.measure in LESS_IS_BETTER else max)(value for _, value in points)
        note = f"after epoch {points[-1][0] + 1}; best of all epochs {shown_quality(run, best)}"
        yield name.lower(), shown_quality(run, points[-1][1]), note
        if run.measure == "accuracy":
            yield "test error", percent_left(points[-1][1]), "on the test set, never used to choose anything"
    if not name.startswith("Test") and _our_result(run) is not None:
        yield f"test {run.measure}", f"{_our_result(run):.2f}", "after the last epoch"
    for key, label in (("parameters", "parameters"), ("multiply_adds", "multiply-adds")):
        if key in run.evaluation:
            yield label, short(run.evaluation[key]), f"{run.evaluation[key]:,}"


def _held_out_chart(run, name, points):
    lines = [Line(name.lower(), for_people(points, run.measure)), training_quality(run)]
    return chart(with_unit(f"{run.measure} by epoch", run.measure), lines, "epoch", logarithmic=run.measure in LESS_IS_BETTER)


def _published_table(run):
    published, ours = comparable(run), _our_result(run)
    if published is None or ours is None:
        return ""
    facts = [run.options["dataset"], f"{run.rounds} epochs", *run.other_form()]
    rows = [(f"<b>this run</b>, {page.escape(', '.join(facts))}", f"<b>{ours:.2f}</b>")]
    rows += [(page.escape(what), f"{value:.2f}") for what, value in published.results]
    return page.card(page.table(("", published.unit), rows, numbers=(1,)))


def _our_result(run):
    """On the test set, in the unit of the published ones, or None: a perplexity is known at the end only."""
    if run.measure in LESS_IS_BETTER:
        return run.finished and run.finished.get(run.measure)
    points = run.held_out()[1]
    return 100 * (1 - points[-1][1]) if points else None
