"""report.html: what a run has found so far, out of the files in its directory."""

import contextlib
import json
import pathlib
import time

from errors import UserError
from file_names import EVALUATION
from files import atomic_write
from reporting import page, relations, retraining_page, search_page
from reporting.drawing import draw, svgs
from reporting.parts import REPORT
from reporting.run_files import read_run
from reporting.standing import Standing
from search_spaces.files import parse

DRAWING = "architecture.svg"
SHARE = 30  # times the seconds of drawing that pass before the page of a run that goes on is drawn again


class RunReport:
    """Keeps the report and the drawing of one run directory up to date."""

    def __init__(self, folder):
        self._folder = pathlib.Path(folder)
        self._drawn = (None, "")  # an architecture's string and its drawing
        self.interval = 600.0  # seconds after which a run that goes on has written the report again
        self._source, self._linked = None, False  # of a retraining: the search, and whether its page knows
        self._written, self._cost = 0.0, 0.0  # when, on the clock of `time.monotonic`, and how many seconds of the CPU it took
        self._end = None  # when the run is expected to end, on the clock of `time.monotonic`

    def write_evaluation(self, evaluation):
        """`evaluation`: dict for JSON about a retraining's network and its last test."""
        _write(self._folder / EVALUATION, json.dumps(evaluation) + "\n")

    def update(self, seconds_left=None, still=False, ended=None):
        """Write the report anew.

        seconds_left: of the run, None if unknown; where it is known this may be left out for the next time, so that drawing takes
        no more than a small share of the run. `still`: it is as before, less the time since then. ended: the run goes on no
        longer although it is not finished: "" if it was stopped, else the error.
        """
        begin = time.process_time()
        if seconds_left is not None and time.monotonic() - self._written < SHARE * self._cost:
            return
        run = read_run(self._folder)
        drawing = self._draw(run)
        show = search_page.show if run.kind == "search" else retraining_page.show
        relatives = relations.retrainings(run) if run.kind == "search" else self._find_source(run)
        title = f"{run.space} {'search' if run.kind == 'search' else 'retraining'}"
        standing = Standing(self._seconds_left(seconds_left, still), ended, self.interval)
        parts = [standing.card(run, title), *show(run, drawing, relatives)]
        _write(self._folder / REPORT, page.page(f"{title}: {self._folder.resolve().name}", *parts))
        self._written = time.monotonic()
        self._cost = time.process_time() - begin
        if run.kind == "retrain" and (run.finished or ended is not None or not self._linked):
            self._link_back(run, relatives)

    def _find_source(self, run):
        """[the search that a retraining comes from], or []."""
        if self._source is None:
            found = relations.source(run)
            self._source = [found] if found else []
        return self._source

    def _link_back(self, run, sources):
        """Have the page of the search show its retraining. A search that goes on does so itself."""
        self._linked = True
        for search in sources:
            relations.register(run, search)
            if search.finished is not None:
                with contextlib.suppress(UserError):  # another run's folder may be read-only
                    RunReport(search.folder).update()

    def _seconds_left(self, told, still):
        if not still:
            self._end = None if told is None else time.monotonic() + told
            return told
        return None if self._end is None else max(self._end - time.monotonic(), 0.0)

    def _draw(self, run):
        text = run.architecture
        if text and text != self._drawn[0]:
            architecture = parse(text.encode(), ".txt", run.space)
            self._drawn = text, "".join(f'<div class="scroll">{part}</div>' for part in svgs(architecture))
            draw(architecture, self._folder / DRAWING)
        return self._drawn[1]


def _write(path, text):
    with atomic_write(path, "w") as file:
        file.write(text)
