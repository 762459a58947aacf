"""report.html: what a run has found so far, out of the files in its directory."""

import json
import pathlib
import time

from file_names import EVALUATION
from files import atomic_write
from reporting import page
from reporting.charts import Line, chart
from reporting.drawing import draw, svgs
from reporting.published import comparable
from reporting.run_files import LESS_IS_BETTER, read_run
from reporting.standing import Standing
from search_spaces.files import parse
from wording import percent, percent_left

REPORT = "report.html"
DRAWING = "architecture.svg"
BEST_SHOWN = 10


class RunReport:
    """Keeps the report and the drawing of one run directory up to date."""

    def __init__(self, folder):
        self._folder = pathlib.Path(folder)
        self._drawn = (None, "")  # an architecture's string and its drawing
        self.next_command = None  # of a search: what to type to retrain
        self.interval = 600.0  # seconds after which a run that goes on has written the report again
        self._end = None  # when the run is expected to end, on the clock of `time.monotonic`

    def write_evaluation(self, evaluation):
        """`evaluation`: dict for JSON about a retraining's network and its last test."""
        _write(self._folder / EVALUATION, json.dumps(evaluation) + "\n")

    def update(self, seconds_left=None, still=False, ended=None):
        """Write the report anew.

        seconds_left: of the run, None if unknown; `still`: it is as before, less the time since then. ended: the run goes on no
        longer although it is not finished: "" if it was stopped, else the error.
        """
        run = read_run(self._folder)
        drawing = self._draw(run)
        show = _search if run.kind == "search" else _retraining
        title = f"{run.space} {'search' if run.kind == 'search' else 'retraining'}"
        standing = Standing(self._seconds_left(seconds_left, still), ended, self.interval)
        parts = [standing.card(run, title), *show(run, drawing, self.next_command)]
        _write(self._folder / REPORT, page.page(f"{title}: {self._folder.resolve().name}", *parts))

    def _seconds_left(self, told, still):
        if not still:
            self._end = None if told is None else time.monotonic() + told
            return told
        return None if self._end is None else max(self._end - time.monotonic(), 0.0)

    def _draw(self, run):
        text = _architecture(run)
        if text and text != self._drawn[0]:
            architecture = parse(text.encode(), ".txt", run.space)
            self._drawn = text, "".join(f'<div class="scroll">{part}</div>' for part in svgs(architecture))
            draw(architecture, self._folder / DRAWING)
        return self._drawn[1]


def _write(path, text):
    with atomic_write(path, "w") as file:
        file.write(text)


def _architecture(run):
    """The string of what is drawn: what a retraining trains, what a search has found so far."""
    if run.kind == "retrain":
        return run.options["architecture"]
    best = run.best()
    return best and best.architecture


# ---- both kinds of run ----------------------------------------------------------------------------------------------


def shown_quality(run, value):
    """An accuracy in percent, or a perplexity."""
    return f"{value:.2f}" if run.measure in LESS_IS_BETTER else percent(value)


def short(number):
    """A large count with three digits: 4.61 M."""
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if number >= size:
            return f"{number / size:.3g} {unit}"
    return str(number)


def for_people(points, measure=""):
    """Points of a chart: iterations and epochs count from 1 (in the files from 0), an accuracy is in percent."""
    factor = 100 if measure == "accuracy" else 1
    return [(index + 1, factor * value) for index, value in points]


def with_unit(text, measure):
    """The title of a chart of qualities."""
    return f"{text}, %" if measure == "accuracy" else text


def _curve(run, title, names, x_name):
    """A chart of some series: {legend: name of the series}."""
    lines = [Line(legend, for_people(run.series.get(name, []))) for legend, name in names.items()]
    return chart(title, lines, x_name)


def _training_quality(run):
    """The line of the qualities in training."""
    return Line("training", for_people(run.series.get(f"Training-{run.measure}", []), run.measure))


def _learning(run):
    """Charts of the training of weights, that every run has."""
    return (
        _curve(run, "training loss", {"loss": "Training-loss"}, "epoch"),
        _curve(run, "learning rate", {"learning rate": "Learning-rate"}, "epoch"),
    )


def _drawing_card(run, drawing):
    text = _architecture(run)
    if not text:
        return ""
    described = parse(text.encode(), ".txt", run.space).describe()
    return page.card(
        page.copyable(text), f'<div class="drawing">{drawing}</div>',
        f"<details><summary>in words</summary><pre>{page.escape(described)}</pre></details>",
    )  # fmt: skip


def _command_card(run):
    return page.folded("how this run was started", f"<p>{page.copyable(run.command)}</p>")


# ---- a search -------------------------------------------------------------------------------------------------------


def _search(run, drawing, next_command):
    best = run.best()
    if best:
        yield page.tiles(_best_figures(run, best))
    yield page.card(
        f"The {run.measure} in a search is measured with weights that all architectures share. It ranks them; what one is worth "
        "shows when it is trained alone."
    )
    title = with_unit(f"training {run.measure}", run.measure)
    training = chart(title, [_training_quality(run)], "epoch", logarithmic=run.measure in LESS_IS_BETTER)
    yield page.charts(_derived_chart(run, best), *_policy_charts(run), *_learning(run), training)
    yield page.heading("best architecture", _drawing_card(run, drawing))
    yield page.heading("the ten best", _best_table(run))
    if next_command:
        yield page.heading("what next: train the best one from scratch", page.card(page.copyable(next_command)))
    yield page.options_table(run.options)
    yield _command_card(run)


def _best_figures(run, best):
    final = "final network"
    return [
        (f"best {run.measure}", shown_quality(run, best.quality), f"iteration {best.iteration + 1}, shared weights"),
        ("parameters", short(best.parameters), f"{best.parameters:,}, {final}"),
        ("multiply-adds", short(best.multiply_adds), f"{best.multiply_adds:,} per {_example(run)}, {final}"),
        ("architectures derived", f"{len(run.derived)}", f"{len(run.ranking())} different"),
    ]


def _example(run):
    return "word" if run.space == "recurrent" else "image"


def _derived_chart(run, best):
    """Every derived architecture a dot, a line through the best of each iteration, the one that is kept marked."""
    measure = run.measure
    dots = for_people([(row.iteration, row.quality) for row in run.derived], measure)
    line = for_people(run.series.get(f"Validation-{measure}", []), measure)
    mark = best and (*for_people([(best.iteration, best.quality)], measure)[0], f"kept: {shown_quality(run, best.quality)}")
    title = with_unit(f"{measure} of derived architectures", measure)
    return chart(title, [Line("best of the iteration", line)], "iteration", dots, mark, measure in LESS_IS_BETTER)


def _policy_charts(run):
    names = {"reward": "Controller-reward", "baseline": "Controller-baseline"}
    return (
        _curve(run, "reward", names, "iteration"),
        _curve(run, "entropy of the controller", {"entropy": "Controller-entropy"}, "iteration"),
        _curve(run, "loss of the controller", {"loss": "Controller-loss"}, "iteration"),
    )


def _best_table(run):
    rows = [
        (number, shown_quality(run, row.quality), row.iteration + 1, f"{row.parameters:,}", f"{row.multiply_adds:,}",
         page.copyable(row.architecture))
        for number, row in enumerate(run.ranking()[:BEST_SHOWN], 1)
    ]  # fmt: skip
    if not rows:
        return ""
    header = ("", run.measure, "iteration", "parameters", "multiply-adds", "architecture (.txt form)")
    note = f"<small>Costs, per {_example(run)}, are those of the final network that the command below trains.</small>"
    return page.card(page.table(header, rows, (0, 1, 2, 3, 4), "stacked"), note)


# ---- a retraining ---------------------------------------------------------------------------------------------------


def _retraining(run, drawing, next_command):
    name, points = run.held_out()
    evaluation = run.evaluation
    yield page.tiles(_final_figures(run, name, points))
    yield page.charts(_held_out_chart(run, name, points), *_learning(run))
    yield page.heading("beside published results", _published_table(run))
    yield page.heading("confusion matrix", _confusion(evaluation))
    yield page.heading("the architecture", _drawing_card(run, drawing))
    yield page.options_table(run.options)
    yield _command_card(run)


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
    lines = [Line(name.lower(), for_people(points, run.measure)), _training_quality(run)]
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


def _confusion(evaluation):
    """Table of classes: rows what is right, columns what the network said."""
    counts, classes = evaluation.get("confusion"), evaluation.get("classes")
    if not counts:
        return ""
    head = "".join(f'<th scope="col">{page.escape(name)}</th>' for name in classes)
    rows = "".join(_confusion_row(classes[number], row, number) for number, row in enumerate(counts))
    table = f'<div class="scroll"><table class="confusion"><tr><th></th>{head}</tr>{rows}</table></div>'
    return page.card(table, "<small>Rows: the right class; columns: the answer, on the test set after the last epoch.</small>")


def _confusion_row(name, row, right):
    cells = []
    for column, count in enumerate(row):
        share = count / max(sum(row), 1)
        color = f"rgba(47,125,59,{share:.2f})" if column == right else f"rgba(194,39,26,{min(6 * share, 1):.2f})"
        ink = ";color:#fff" if share > 0.6 and column == right else ""
        cells.append(f'<td style="background:{color}{ink}">{count}</td>')
    return f'<tr><th scope="row">{page.escape(name)}</th>{"".join(cells)}</tr>'
