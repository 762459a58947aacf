"""What the pages say exists: the files and headings that they link to, the options that they name."""

import pathlib
import re

import pytest

import args
import deploy
import inspect_arch
from errors import UserError

ROOT = pathlib.Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
# Of make, pip, mpirun, srun, benchmarks and tests, which are not this project's scripts.
ELSEWHERE = {
    "--quick", "--torch-python", "--hostfile", "--nodes", "--ntasks-per-node", "--gpus-per-node", "--gpus", "--signal", "--mpi",
    "--array", "--kill-on-bad-exit", "--runs", "--map-by", "--table", "--tuning-table",
}  # fmt: skip


def options():
    """Every option of the scripts."""
    known = {flag for group in args.OPTIONS.values() for option in group for flag in option.flags} | {"--help", "--help-all"}
    for parser in (deploy._parser(), inspect_arch._parser()):
        for action in parser._actions:
            for sub in (action.choices or {}).values() if isinstance(action.choices, dict) else ():
                known |= set(sub._option_string_actions)
    return known


def anchor(heading):
    """As the sites that show Markdown make it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)]+)\)", page.read_text()):
        if "://" in target:
            continue
        path, _, part = target.partition("#")
        path = page.parent / path if path else page
        assert path.exists(), target
        if part:
            assert part in {anchor(line) for line in re.findall(r"^#+ (.*)$", path.read_text(), re.M)}, target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_options_exist(page):
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*[a-z]", page.read_text()))
    assert named - options() - ELSEWHERE == set()


def rows_of(page):
    """Cells of the rows of all tables in a page, without headings."""
    lines = [line for line in (ROOT / "docs" / page).read_text().splitlines() if line.startswith("| ") and "---" not in line]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if not line.startswith("| |")]


def can_be_parsed(words):
    for space, job in ((space, job) for space in args.SPACES for job in args.BOTH):
        try:
            if not args.parse(space, job, words.split()).notes:
                return True
        except UserError:
            pass
    return False


def test_every_difference_names_an_option_that_does_something_or_says_that_there_is_none():
    rows = rows_of("differences.md")
    assert len(rows) > 40
    for row in rows:
        assert len(row) == 6, row
        options = re.findall("`(--[^`]+)`", row[-1])
        assert options or row[-1].startswith("none"), row
        assert [words for words in options if not can_be_parsed(words)] == [], row
