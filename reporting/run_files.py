"""What the files of a run directory say, for the report and for comparisons."""

import contextlib
import csv
import json
import math
import os
import pathlib
import shlex
from dataclasses import dataclass

from deployment.wording import other_form
from errors import UserError
from file_names import CONFIG, EVALUATION, TABLE

LESS_IS_BETTER = ("perplexity",)
FIXED = ("cifar10", "cifar100", "digits", "pydoc")  # data sets that are the same wherever they lie


@dataclass(frozen=True)
class Derived:
    """A row of architectures.csv. `kept`: it became the best architecture then."""

    iteration: int  # counted from 1
    quality: float  # accuracy or perplexity, see Run.measure
    parameters: int
    multiply_adds: int
    kept: bool
    architecture: str  # the authors' string


@dataclass(frozen=True)
class Run:
    """A search or a retraining, from its files."""

    folder: pathlib.Path
    space: str
    kind: str  # "search" or "retrain"
    options: dict
    config: dict  # all of config.json: command, next_command, machine, versions, started, continued, ended
    finished: dict | None  # what it recorded at its end
    series: dict  # name, as "Training-loss", -> list of (index, value)
    derived: list
    evaluation: dict
    data: dict  # what it learns from: sizes, classes, division; {} of a run of an earlier version

    @property
    def architecture(self):
        """The string of what is drawn: what a retraining trains, what a search has found so far; None if nothing."""
        if self.kind == "retrain":
            return self.options["architecture"]
        best = self.best()
        return best and best.architecture

    @property
    def command(self):
        """What began the run."""
        return self.config.get("command", "")

    @property
    def measure(self):
        """What qualities are: "accuracy" or "perplexity"."""
        return "perplexity" if self.space == "recurrent" else "accuracy"

    @property
    def data_set(self):
        """What it learns from, to be shown: a name, with the folder where that decides what is in it."""
        name, folder = self.options.get("dataset"), self.options.get("data_dir")
        return name if name in FIXED or folder is None else f"{name} in {folder}"

    @property
    def data_key(self):
        """Equal for equal data, to be shown: the beginning of the fingerprint, or where the data of an earlier version lay."""
        name, folder, sha256 = self.options.get("dataset"), self.options.get("data_dir"), self.data.get("sha256")
        if name in FIXED:
            return name
        if sha256:
            return f"SHA-256 {str(sha256)[:12]}"
        return str(name) if folder is None else os.path.normpath(os.path.join(home_of(self.config), str(folder)))

    def held_out(self):
        """Name and points of the series on the part that a retraining measures after each epoch."""
        names = (f"{part}-{self.measure}" for part in ("Test", "Validation"))
        name = max(names, key=lambda name: len(self.series.get(name, ())))
        return name.replace("-", " "), self.series.get(name, [])

    def other_form(self):
        """`other_form` of the options."""
        return other_form(self.options.get("final_network"))

    @property
    def rounds(self):
        """How many iterations or epochs there are to be."""
        return self.options["max_search_iter" if self.kind == "search" else "epoch_on_retrain"]

    @property
    def done(self):
        """How many of them are done."""
        if self.kind == "search":
            return self.derived[-1].iteration if self.derived else 0
        return len(self.series.get("Learning-rate", ()))

    def best(self):
        """The derived architecture that the search keeps, or None."""
        return next((row for row in reversed(self.derived) if row.kept), None)

    def allowed(self):
        """The derived architectures that the search may keep: those within --max-parameters and --max-macs."""
        most = [math.inf if (limit := self.options.get(name)) is None else limit for name in ("max_parameters", "max_macs")]
        return [row for row in self.derived if row.parameters <= most[0] and row.multiply_adds <= most[1]]

    def sorted_by_quality(self, rows):
        """Some of the derived architectures, best first."""
        sign = 1 if self.measure in LESS_IS_BETTER else -1
        return sorted(rows, key=lambda row: sign * row.quality)

    def ranking(self):
        """The `allowed` architectures, best first, each string once with the best it reached."""
        unique = {}
        for row in self.sorted_by_quality(self.allowed()):
            unique.setdefault(row.architecture, row)
        return list(unique.values())


def home_of(config):
    """The folder in which the command of a config.json (dict) was given, "" where it does not say."""
    with contextlib.suppress(ValueError):
        words = shlex.split(config.get("command") or "")
        return words[1] if words[:1] == ["cd"] and len(words) > 1 else ""
    return ""


def read_run(folder):
    """The `Run` in a directory. Raises UserError if there is none or if it cannot be read."""
    folder = pathlib.Path(folder)
    config = _read_json(folder / CONFIG)
    try:
        space, _, kind = config["job"].rpartition("_")
        return Run(
            folder, space, kind, dict(config["options"]), config, config["finished"],
            _read_all_series(folder, config["options"].get("monitor_interval")),
            _read_table(folder / TABLE), _read_json(folder / EVALUATION) if (folder / EVALUATION).exists() else {},
            dict(config.get("data") or {}),
        )  # fmt: skip
    except (LookupError, ValueError, TypeError, AttributeError, OSError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise UserError(f"the files in {folder} are not those of a run ({reason}); give the --monitor-path of one") from error


def _read_json(path):
    try:
        return json.loads(path.read_text())
    except OSError as error:
        raise UserError(f"no run in {path.parent} (no readable {path.name}); give the --monitor-path of one") from error
    except ValueError as error:
        raise UserError(f"{path} is damaged ({error}); give the --monitor-path of another run") from error


def _read_all_series(folder, interval):
    """Dict of name -> points; the curves of a training by epoch, in fractions of one where it counts mini-batches."""
    series = {path.name.removesuffix(".series.txt"): _read_series(path) for path in sorted(folder.glob("*.series.txt"))}
    if interval is None:
        return series
    if not series.get("Learning-rate"):  # nobody knows yet how long an epoch is
        return {name: points for name, points in series.items() if not _counts_mini_batches(name)}
    steps = series["Learning-rate"][0][0] + 1  # of an epoch: one point at the end of each
    return {name: _in_epochs(points, steps) if _counts_mini_batches(name) else points for name, points in series.items()}


def _counts_mini_batches(name):
    return name.startswith(("Training-", "Test-", "Learning-"))


def _in_epochs(points, steps):
    """Points by mini-batch, from 0, as points by epoch: the last mini-batch of epoch k, from 0, is at k."""
    epochs = [((index + 1) / steps - 1, value) for index, value in points]
    return [(int(epoch) if epoch.is_integer() else epoch, value) for epoch, value in epochs]


def _read_series(path):
    """(index, value) of the complete lines whose value is finite."""
    lines = [line.split() for line in path.read_text().splitlines(keepends=True) if line.endswith("\n")]
    points = [(int(line[0]), float(line[1])) for line in lines if len(line) == 2]
    return [point for point in points if math.isfinite(point[1])]


def _read_table(path):
    """The `Derived` of the complete lines."""
    if not path.exists():
        return []
    with open(path, newline="") as file:
        header, *rows = list(csv.reader(line for line in file if line.endswith("\n"))) or [[]]
    rows = [dict(zip(header, row, strict=True)) for row in rows if len(row) == len(header)]
    first = 1 - int(rows[0]["iteration"]) if rows else 0  # earlier versions counted from 0
    return [_derived(row, header[1], first) for row in rows]


def _derived(row, quality, first):
    return Derived(
        int(row["iteration"]) + first, float(row[quality]), int(row["parameters"]), int(row["multiply_adds"]),
        row["kept"] == "yes", row["architecture"],
    )  # fmt: skip
