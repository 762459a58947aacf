import numpy as np
import pytest

from errors import UserError
from experiments.nas_bench_201.space import NUM_CELLS, OPERATIONS, Cell, CellSpace
from search_spaces.files import load_architecture, parse, save_architecture
from search_spaces.macro import MacroSpace
from tests.experiments.nas_bench_201.cells import all_cells

STRING = "|nor_conv_3x3~0|+|nor_conv_1x1~0|avg_pool_3x3~1|+|skip_connect~0|none~1|nor_conv_3x3~2|"
CELL = Cell(("nor_conv_3x3", "nor_conv_1x1", "avg_pool_3x3", "skip_connect", "none", "nor_conv_3x3"))


def test_the_benchmarks_string():
    assert CELL.to_string() == STRING
    assert Cell.from_string(STRING) == CELL
    assert CELL.to_numbers().tolist() == [3, 2, 4, 1, 0, 3]


def test_every_cell_has_its_place_and_its_string():
    cells = all_cells()
    assert len(cells) == NUM_CELLS == 15_625
    assert [cell.index for cell in cells] == list(range(NUM_CELLS))
    assert len({cell.to_string() for cell in cells}) == NUM_CELLS
    assert cells[CELL.index] == CELL


@pytest.mark.parametrize(
    "text",
    ["", STRING[:-1], STRING.replace("~2", "~1"), STRING.replace("none", "no"), STRING + "+|none~0|", STRING.replace("+", "")],
)
def test_other_strings_are_refused(text):
    with pytest.raises(UserError):
        Cell.from_string(text)


@pytest.mark.parametrize("suffix", [".npy", ".txt", ".json"])
def test_files(tmp_path, suffix):
    path = tmp_path / f"cell{suffix}"
    save_architecture(path, CELL)
    assert load_architecture(path, "nas_bench_201") == CELL
    assert parse(CELL.to_text().encode(), ".txt", "nas_bench_201") == CELL


def test_random_cells_are_uniform():
    space, rng = CellSpace(), np.random.default_rng(0)
    counts = sum(np.eye(len(OPERATIONS))[space.random(rng).to_numbers()] for _ in range(4000))
    assert abs(counts / 4000 - 0.2).max() < 0.03
    with pytest.raises(UserError):
        space.contains(MacroSpace(3).random(rng))
