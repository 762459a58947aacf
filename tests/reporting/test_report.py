"""The report page: its figures against those of the files, its looks in a browser."""

import html.parser
import itertools
import json
import os
import re
import shutil
import subprocess
import time

import pytest

from reporting.comparison import comparison
from reporting.page import escape
from reporting.parts import short
from reporting.relations import retrainings
from reporting.report import RunReport
from reporting.run_files import read_run
from search_spaces import macro, micro
from search_spaces.files import parse
from tests.reporting.fake_runs import HEADER, retraining, search
from tests.reporting.test_charts import numbers, places, svg_of

CONFUSION = {"parameters": 1234567, "multiply_adds": 89, "classes": ["cat", "dog"], "confusion": [[41, 9], [8, 42]]}


class Page(html.parser.HTMLParser):
    """The texts of a page, everything it would load, and where its links lead."""

    def __init__(self, path):
        super().__init__()
        self.texts, self.loaded, self.links, self.cells, self._open = [], [], [], [], []
        self.feed(path.read_text())
        assert not self._open, f"never closed: {self._open}"

    def handle_starttag(self, tag, attributes):
        places = [value for name, value in attributes if name in ("src", "href", "xlink:href", "srcset")]
        if tag == "a":
            self.links += places
        else:
            self.loaded += places
        if tag not in ("meta", "link", "br", "hr", "img"):
            self._open.append(tag)

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_startendtag(self, tag, attributes):
        pass

    def handle_data(self, data):
        if not set(self._open) & {"style", "script"}:
            self.texts.append(data)
        if self._open and self._open[-1] == "td":
            self.cells.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.texts).split())


def add_to_config(folder, **more):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | more))


def reported(folder, evaluation=None, **more):
    report = RunReport(folder)
    if evaluation:
        report.write_evaluation(evaluation)
    report.update(**more)
    return Page(folder / "report.html")


@pytest.mark.parametrize("space", ["macro", "micro", "recurrent"])
def test_the_page_of_a_search_holds_the_figures_of_its_table(tmp_path, space):
    rows = search(tmp_path / "run", space)
    page = reported(tmp_path / "run")
    for iteration, quality, parameters, multiply_adds, _, architecture in rows:
        shown = f"{float(quality):.2f}" if space == "recurrent" else f"{100 * float(quality):.2f} %"
        assert [shown, str(iteration), f"{parameters:,}", f"{multiply_adds:,}"] in [
            page.cells[start : start + 4] for start in range(len(page.cells) - 3)
        ]
        assert architecture in page.texts
    best = [row for row in rows if row[4] == "yes"][-1]
    assert f"{best[2]:,}, final network" in page.texts and short(best[2]) in page.texts
    assert parse(best[5].encode(), ".txt", space).describe() in page.texts


def test_the_table_shows_the_ten_best_once_each_and_best_first(tmp_path):
    search(tmp_path / "run", "micro", iterations=6, derived=3)
    page = reported(tmp_path / "run")
    run = read_run(tmp_path / "run")
    accuracies = sorted({row.architecture: row.quality for row in run.derived}.values(), reverse=True)
    shown = [cell for cell in page.cells if re.fullmatch(r"\d\d\.\d\d %", cell)]
    assert shown[:10] == [f"{100 * accuracy:.2f} %" for accuracy in accuracies[:10]]
    assert "all 18 derived architectures" in page.texts and len(shown) == 10 + 18


@pytest.mark.parametrize("equal", [False, True])
def test_sizes_are_drawn_where_they_differ(tmp_path, equal):
    search(tmp_path / "run")
    table = tmp_path / "run" / "architectures.csv"
    header, *rows = [line.split(",") for line in table.read_text().splitlines()]
    for row in rows:
        row[2] = rows[0][2] if equal else row[2]
    table.write_text("".join(",".join(row) + "\n" for row in [header, *rows]))
    reported(tmp_path / "run")
    assert ("against parameters" in (tmp_path / "run" / "report.html").read_text()) != equal


def test_what_the_search_refused_is_not_among_the_best(tmp_path):
    """It stands in the table of all and is a dot of the chart of sizes, but not on the line through the best."""
    texts = [row[5] for row in search(tmp_path / "run", options=["--max-parameters", "1000"])]
    rows = [f"1,0.5,100,1,yes,{texts[0]}", f"1,0.6,1000,1,yes,{texts[1]}", f"2,0.9,2000,1,no,{texts[2]}"]
    (tmp_path / "run" / "architectures.csv").write_text("\n".join([",".join(HEADER), *rows, ""]))
    page = reported(tmp_path / "run")
    assert page.cells.count("90.00 %") == 1 and page.cells.count("60.00 %") == 2
    assert "3 different" in page.text
    chart = next(part for part in (tmp_path / "run" / "report.html").read_text().split("<figure") if "against parameters" in part)
    steps = numbers(svg_of(chart).find(".//g[@class='curve']/path"))
    dots = places(svg_of(chart).find(".//g[@class='dots']/path"))
    assert len(dots) == 3 and {y for _, y in steps} == {y for _, y in dots[:2]}


def test_the_page_tells_where_the_run_stands_and_what_to_type_next(tmp_path):
    search(tmp_path / "run", options=["--max-search-iter", "9", "--batch-size", "17"])
    report, command = RunReport(tmp_path / "run"), "python macro_retrain.py --seed 0 '<a b>'"
    add_to_config(tmp_path / "run", next_command=command)
    report.update(seconds_left=3723)
    page = Page(tmp_path / "run" / "report.html")
    assert "running: iteration 3 of 9, about 1:02:03 left" in page.text
    assert command in page.texts
    assert page.texts[page.texts.index("--batch-size") + 1] == "17"
    assert '<progress max="9" value="3">' in (tmp_path / "run" / "report.html").read_text()


@pytest.mark.parametrize("ended, said", [("", "stopped after iteration 3 of 310"), ("no room & more", "ended by an error after")])
def test_the_page_of_a_run_that_ended_says_so_and_how_to_go_on(tmp_path, ended, said):
    search(tmp_path / "run")
    page = reported(tmp_path / "run", ended=ended)
    assert said in page.text and ended in page.text and "macro_search.py" in page.texts
    assert "running:" not in page.text and 'id="running"' not in (tmp_path / "run" / "report.html").read_text()


def test_the_time_left_passes_while_the_page_is_only_written_again(tmp_path, monkeypatch):
    search(tmp_path / "run")
    report, now = RunReport(tmp_path / "run"), [1000.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    report.update(seconds_left=600)
    now[0] += 60
    report.update(still=True)
    assert "about 09:00 left" in Page(tmp_path / "run" / "report.html").text


def test_drawing_takes_a_small_share_of_a_run(tmp_path, monkeypatch):
    """A page takes 5 seconds by this clock of the CPU: the next one is due when 30 times as many have passed."""
    search(tmp_path / "run")
    report, now = RunReport(tmp_path / "run"), [1000.0]
    used = itertools.count(0, 5)
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    monkeypatch.setattr("time.process_time", lambda: next(used))
    report.update(seconds_left=600)
    path = tmp_path / "run" / "report.html"
    for later, written in ((149, False), (2, True)):
        path.unlink(missing_ok=True)
        now[0] += later
        report.update(seconds_left=500)
        assert path.exists() is written
    for more in ({}, {"still": True}, {"ended": ""}):
        path.unlink(missing_ok=True)
        report.update(**more)
        assert path.exists()


def test_a_page_needs_nothing_but_itself(tmp_path):
    search(tmp_path / "search")
    retraining(tmp_path / "retrain", micro.PUBLISHED["enas"].to_text(), "micro", evaluation=CONFUSION)
    for name in ("search", "retrain"):
        page = reported(tmp_path / name)
        assert [place for place in page.loaded if not place.startswith(("#", "data:"))] == []
        assert all("://" not in place for place in page.links)
        source = (tmp_path / name / "report.html").read_text()
        assert "url(http" not in source and "@import" not in source


def test_identifiers_are_unique_so_that_drawings_do_not_mix(tmp_path):
    search(tmp_path / "run", "micro")
    reported(tmp_path / "run")
    names = re.findall(r'(?<![-\w])id="([^"]+)"', (tmp_path / "run" / "report.html").read_text())
    used = set(re.findall(r'(?:href="#|url\(#)([^")]+)', (tmp_path / "run" / "report.html").read_text()))
    assert used <= set(names)
    assert [name for name in used if names.count(name) > 1] == []


def test_a_finished_run_leaves_the_same_page_and_drawing_each_time(tmp_path):
    search(tmp_path / "run", finished={"summary": []})
    reported(tmp_path / "run", seconds_left=5)
    first = {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir()}
    reported(tmp_path / "run", seconds_left=7)
    assert {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir()} == first
    assert {"report.html", "architecture.svg"} <= set(first)
    assert "finished after iteration 3" in first["report.html"].decode()


def test_a_page_says_when_and_where_it_ran(tmp_path):
    search(tmp_path / "run", finished={"summary": []})
    times = {"started": "2026-01-02T03:04:05", "continued": ["2026-01-02T03:30:00"], "ended": "2026-01-02T05:04:06"}
    add_to_config(tmp_path / "run", **times, machine="a machine")
    said = reported(tmp_path / "run").text
    for text in ("started 2026-01-02 03:04:05", "ended 2026-01-02 05:04:06, 2:00:01 in total", "resumed 1 time", "a machine"):
        assert text in said


@pytest.mark.parametrize("place", ["search/retrain", "elsewhere"])
def test_a_search_and_its_retrainings_link_to_each_other(tmp_path, place):
    rows = search(tmp_path / "search", finished={"summary": []})
    reported(tmp_path / "search")
    best = [row[5] for row in rows if row[4] == "yes"][-1]
    asked = ["--recommended-arch", str(tmp_path / "search" / "arch.npy")]
    retraining(tmp_path / place, best, options=asked)
    page = reported(tmp_path / place)
    assert [(tmp_path / place / address).resolve() for address in page.links] == [tmp_path / "search" / "report.html"]
    back = Page(tmp_path / "search" / "report.html")
    assert tmp_path / place / "report.html" in [(tmp_path / "search" / address).resolve() for address in back.links]
    assert "test accuracy 70.00 %" in back.text and "epoch 3 of 310" in back.text
    reported(tmp_path / place)
    assert Page(tmp_path / "search" / "report.html").links == back.links


def test_names_that_are_no_utf8_stand_in_pages(tmp_path):
    """Of the run directories, of a retraining elsewhere and in a command."""
    folder, elsewhere = tmp_path / os.fsdecode(b"r\xff"), tmp_path / os.fsdecode(b"e\xfe")
    search(folder, finished={"summary": []})
    retraining(elsewhere, read_run(folder).best().architecture, options=["--recommended-arch", str(folder / "arch.npy")])
    add_to_config(folder, command="cd 'a\udcff'")
    assert r"cd 'a\udcff'" in reported(folder).text
    reported(elsewhere)  # notes in the folder of the search where it is
    assert [run.folder for run in retrainings(read_run(folder))] == [elsewhere]
    assert r"../e\udcfe/report.html" in reported(folder).text
    assert r"r\udcff" in comparison([folder], str(tmp_path / "page.html"))


def test_a_retraining_of_another_architecture_is_not_linked(tmp_path):
    search(tmp_path / "search", finished={"summary": []})
    retraining(tmp_path / "search" / "retrain", macro.PUBLISHED["enas"].to_text())
    assert reported(tmp_path / "search" / "retrain").links == []
    assert reported(tmp_path / "search").links == ["architectures.csv"]


def test_a_search_without_results_has_a_page(tmp_path):
    search(tmp_path / "run", iterations=0)
    assert "iteration 0 of 310" in reported(tmp_path / "run").text
    assert not (tmp_path / "run" / "architecture.svg").exists()


def test_a_search_that_keeps_nothing_shows_no_best_architecture(tmp_path):
    search(tmp_path / "run")
    table = tmp_path / "run" / "architectures.csv"
    table.write_text(table.read_text().replace(",yes,", ",no,"))
    (tmp_path / "run" / "Validation-accuracy.series.txt").unlink()  # as where no iteration had anything to keep
    page = reported(tmp_path / "run")
    assert "best architecture" not in page.texts and "ten best architectures" in page.texts
    assert not (tmp_path / "run" / "architecture.svg").exists()


def test_the_page_of_a_retraining_holds_results_and_the_confusion_matrix(tmp_path):
    options = ["--preset", "quick", "--epoch-on-retrain", "7"]
    retraining(tmp_path / "run", micro.PUBLISHED["enas"].to_text(), "micro", options)
    page = reported(tmp_path / "run", evaluation=CONFUSION)
    for text in ("70.00 %", "30.00 %", "1,234,567", "41", "9", "8", "42", "cat", "dog"):
        assert text in page.texts, text
    assert "compared with published results" not in page.texts
    assert "running: epoch 3 of 7" in page.text
    assert json.loads((tmp_path / "run" / "evaluation.json").read_text()) == CONFUSION


def test_another_final_network_is_named_beside_the_published_results(tmp_path):
    retraining(tmp_path / "run", macro.PUBLISHED["enas"].to_text(), options=["--final-network", "shared"], epochs=310)
    page = reported(tmp_path / "run")
    assert "cifar10, 310 epochs, final network: shared" in page.text
    for text in ("compared with published results", "4.23", "3.87", "4.30"):
        assert text in page.texts, text


def test_a_language_model_shows_its_test_perplexity_when_it_is_known(tmp_path):
    arc = "0 2 1 0 2 1 2 2 4 0 5 0 3 2 6 2"
    retraining(tmp_path / "a", arc, "recurrent")
    page = reported(tmp_path / "a")
    assert "validation perplexity" in page.texts and "80.00" in page.texts
    assert "test perplexity" not in page.texts
    retraining(tmp_path / "b", arc, "recurrent", finished={"summary": [], "perplexity": 61.234})
    assert reported(tmp_path / "b").texts.count("61.23") == 1


def test_text_from_files_cannot_break_the_page(tmp_path):
    search(tmp_path / "run", options=["--data-dir", "</table><script>alert(1)</script>"])
    reported(tmp_path / "run")
    source = (tmp_path / "run" / "report.html").read_text()
    assert "<script>alert" not in source and escape("<script>alert(1)</script>") in source


def test_large_counts_are_shortened():
    assert [short(n) for n in (12, 1234, 4_613_000, 5.6e9)] == ["12", "1.23 k", "4.61 M", "5.6 G"]


# ---- in a browser ---------------------------------------------------------------------------------------------------

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--enable-logging=stderr", "--v=0", "--virtual-time-budget=2000",
)  # fmt: skip


@pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed (apt-get install chromium)")
def test_the_page_opens_in_a_browser_without_complaints_and_can_be_used(tmp_path):
    """A script at the end of the page uses it as a person does and writes what happened into the title."""
    rows = search(tmp_path / "run", "micro")
    RunReport(tmp_path / "run").update()
    use = """<script>
      const svg = document.querySelector(".chart svg");
      svg.scrollIntoView();
      const box = svg.getBoundingClientRect();
      const below = document.elementFromPoint(box.right - 9, box.top + box.height / 2);
      below.dispatchEvent(new PointerEvent("pointermove", { bubbles: true }));
      document.querySelector(".drawing").parentNode.querySelector(".copy button").click();
      document.querySelectorAll("details").forEach((details) => { details.open = true; });
      const fits = document.body.scrollWidth <= innerWidth, table = document.querySelector(".sortable");
      const column = (number) => [...table.tBodies[0].rows].map((row) => row.cells[number].textContent).join(";");
      const sorted = [2, 2, 0].map((number) => { table.tHead.rows[0].cells[number].firstChild.click(); return column(number); });
      document.title = [svg.nextElementSibling.textContent, getSelection(), fits, ...sorted].join(" | ");
    </script>"""
    source = (tmp_path / "run" / "report.html").read_text()
    (tmp_path / "page.html").write_text(source.replace("</body>", use + "</body>"))
    command = [BROWSER, *FLAGS, f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", (tmp_path / "page.html").as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0
    assert [line for line in done.stderr.splitlines() if "CONSOLE" in line] == []
    for row in rows:
        assert f"{100 * float(row[1]):.2f} %" in done.stdout and row[5] in done.stdout and f"{row[2]:,}" in done.stdout
    best = [row for row in rows if row[4] == "yes"][-1]
    shown, copied, fits, *columns = re.search("<title>(.*)</title>", done.stdout).group(1).split(" | ")
    assert shown == f"iteration 3: best of the iteration {100 * float(best[1]):.4g}" and copied == best[5] and fits == "true"
    falling = [f"{size:,}" for size in sorted((row[2] for row in rows), reverse=True)]
    qualities = [f"{100 * quality:.2f} %" for quality in sorted((float(row[1]) for row in rows), reverse=True)]
    assert columns == [";".join(order) for order in (falling, falling[::-1], qualities)]


@pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed (apt-get install chromium)")
@pytest.mark.parametrize("minutes, hidden", [(19, True), (23, False)])
def test_the_page_of_a_run_that_was_killed_says_so_when_there_has_been_no_news(tmp_path, minutes, hidden):
    search(tmp_path / "run")
    RunReport(tmp_path / "run").update()
    written = re.compile('data-written="[0-9]+"')
    source = written.sub(f'data-written="{time.time() - 60 * minutes:.0f}"', (tmp_path / "run" / "report.html").read_text())
    (tmp_path / "page.html").write_text(source)
    command = [BROWSER, *FLAGS, f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", (tmp_path / "page.html").as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert ('<div id="silent" hidden="">' in done.stdout) is hidden and ('<div id="silent">' in done.stdout) is not hidden
