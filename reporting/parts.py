"""What the pages of searches, of retrainings and of comparisons have in common."""

from reporting import page
from reporting.charts import IN_PERCENT, Line, chart
from reporting.run_files import LESS_IS_BETTER
from search_spaces.files import parse
from wording import percent

REPORT = "report.html"


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
    """Points of a chart: iterations and epochs count from 1 (in NNabla's series from 0), an accuracy is in percent."""
    return [(index + 1, in_percent(value, measure)) for index, value in points]


def in_percent(value, measure):
    """An accuracy in percent, as it is shown; any other number as it is."""
    return round(100 * value, 4) if measure == "accuracy" else value


def with_unit(text, measure):
    """The title of a chart of qualities."""
    return f"{text}{IN_PERCENT}" if measure == "accuracy" else text


def curve(run, title, names, x_name, **more):
    """A chart of some series: {legend: name of the series}."""
    lines = [Line(legend, for_people(run.series.get(name, []))) for legend, name in names.items()]
    return chart(title, lines, x_name, **more)


def training_quality(run):
    """The line of the qualities in training."""
    return Line("training", for_people(run.series.get(f"Training-{run.measure}", []), run.measure))


def learning(run):
    """Charts of the training of weights, that every run has."""
    return (
        curve(run, "training loss", {"loss": "Training-loss"}, "epoch"),
        curve(run, "learning rate", {"learning rate": "Learning-rate"}, "epoch"),
    )


def drawing_card(run, drawing):
    """The architecture of a run as text, drawn and in words."""
    if not run.architecture:
        return ""
    described = parse(run.architecture.encode(), ".txt", run.space).describe()
    return page.card(
        page.copyable(run.architecture), f'<div class="drawing">{drawing}</div>',
        f"<details><summary>in words</summary><pre>{page.escape(described)}</pre></details>",
    )  # fmt: skip


def data_card(run):
    """What a run learns from: how many of what, divided how; nothing where it has not been written down."""
    data = run.data
    if not data:
        return ""
    counts = ", ".join(f"{count:,} {part}" for part, count in data.get("images", data.get("words", {})).items())
    rows = [("data set", data["dataset"])]
    if "image_shape" in data:
        channels, height, width = data["image_shape"]
        size = f"{height}x{width} pixels, {channels} channel{'s' if channels > 1 else ''}"
        rows += [("images", f"{counts}; {size}"), ("split", data["division"])]
        rows += [(f"{len(data['classes']):,} class{'es' if len(data['classes']) > 1 else ''}", ", ".join(data["classes"]))]
    else:
        rows += [("words", f"{counts}; {data['vocabulary']:,} different ones")]
    rows += [("SHA-256", data["sha256"])]
    return page.folded("data", page.table(("", ""), [tuple(map(page.escape, row)) for row in rows]))


def command_card(run):
    """How a run was started."""
    return page.folded("how this run was started", f"<p>{page.copyable(run.command)}</p>")
