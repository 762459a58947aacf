import pathlib

import numpy as np
import pytest

from errors import UserError
from search_spaces.macro import PUBLISHED as PUBLISHED_MACRO
from search_spaces.micro import OPERATIONS, PUBLISHED, MicroArchitecture, MicroSpace, Node, loose_ends

GOLDEN = pathlib.Path(__file__).parents[1] / "golden"
NORMAL = (Node(0, "sepconv3x3", 1, "identity"), Node(2, "max_pool3x3", 2, "sepconv5x5"))
REDUCTION = (Node(1, "average_pool3x3", 1, "sepconv3x3"), Node(0, "identity", 0, "identity"))
SMALL = MicroArchitecture(NORMAL, REDUCTION)


def test_numbers_are_one_row_per_cell():
    assert SMALL.to_numbers().tolist() == [[0, 0, 1, 4, 2, 3, 2, 1], [1, 2, 1, 0, 0, 4, 0, 4]]
    assert SMALL.to_numbers().dtype == np.int64


def test_text_is_the_normal_cell_then_the_reduction_cell():
    assert SMALL.to_text() == "0 0 1 4 2 3 2 1 1 2 1 0 0 4 0 4"
    assert MicroArchitecture.from_text("0 0 1 4 | 2 3 2 1\n1 2 1 0 | 0 4 0 4\n") == SMALL


def test_published_cells():
    published = PUBLISHED["enas"]
    normal, reduction = "0 2 0 0 0 4 0 1 0 4 1 1 1 0 0 1 0 2 1 1", "1 0 1 0 0 3 0 2 1 1 3 1 1 0 0 4 0 3 1 1"
    assert published.to_text() == f"{normal} {reduction}"
    assert published.to_numbers().tolist() == [[int(n) for n in cell.split()] for cell in (normal, reduction)]
    assert published.normal[0] == Node(0, "average_pool3x3", 0, "sepconv3x3")
    assert published.reduction[2] == Node(1, "sepconv5x5", 3, "sepconv5x5")


def test_published_cells_survive_every_form():
    published = PUBLISHED["enas"]
    assert MicroArchitecture.from_text(published.to_text()) == published
    assert MicroArchitecture.from_numbers(published.to_numbers()) == published
    assert MicroArchitecture.from_json(published.to_json()) == published


@pytest.mark.parametrize("num_nodes", [1, 2, 5, 9])
def test_random_architectures_survive_every_form(num_nodes):
    rng = np.random.default_rng(num_nodes)
    for _ in range(20):
        architecture = MicroSpace(num_nodes).random(rng)
        assert MicroArchitecture.from_text(architecture.to_text()) == architecture
        assert MicroArchitecture.from_numbers(architecture.to_numbers()) == architecture
        assert MicroArchitecture.from_json(architecture.to_json()) == architecture


def test_loose_ends_are_the_inputs_and_nodes_nobody_reads():
    assert loose_ends(NORMAL) == (3,)
    assert loose_ends(REDUCTION) == (2, 3)
    assert loose_ends((Node(1, "identity", 1, "identity"),)) == (0, 2)
    assert loose_ends(PUBLISHED["enas"].normal) == (2, 3, 4, 5, 6)
    assert loose_ends(PUBLISHED["enas"].reduction) == (2, 4, 5, 6)


def test_json_holds_names():
    assert SMALL.to_json()["normal"] == [
        {
            "input_x": "cell before previous",
            "operation_x": "sepconv3x3",
            "input_y": "previous cell",
            "operation_y": "identity",
        },
        {"input_x": "node 0", "operation_x": "max_pool3x3", "input_y": "node 0", "operation_y": "sepconv5x5"},
    ]
    assert SMALL.to_json()["space"] == "micro"


def test_description():
    assert SMALL.describe().splitlines() == [
        "normal cell of 2 nodes",
        "node 0: sepconv3x3(cell before previous) + identity(previous cell)",
        "node 1: max_pool3x3(node 0) + sepconv5x5(node 0)",
        "output: node 1",
        "reduction cell of 2 nodes",
        "node 0: average_pool3x3(previous cell) + sepconv3x3(previous cell)",
        "node 1: identity(cell before previous) + identity(cell before previous)",
        "output: node 0, node 1",
    ]


def test_description_of_the_published_cells():
    lines = PUBLISHED["enas"].describe().splitlines()
    assert len(lines) == 14
    assert lines[10] == "node 2: sepconv5x5(previous cell) + sepconv5x5(node 1)"
    assert lines[13] == "output: node 0, node 2, node 3, node 4"


def test_architectures_are_hashable_values():
    assert len({SMALL, MicroArchitecture.from_text(SMALL.to_text()), PUBLISHED["enas"]}) == 2


def numbers(**changes):
    """The array of SMALL with some entries changed: `r1_4=9` is row 1, column 4."""
    array = SMALL.to_numbers()
    for place, value in changes.items():
        row, column = place[1:].split("_")
        array[int(row), int(column)] = value
    return array


WRONG = [
    (lambda: MicroArchitecture((), ()), ["0 and 0 nodes", "at least one"]),
    (lambda: MicroArchitecture(NORMAL, REDUCTION[:1]), ["2 and 1 nodes", "same number"]),
    (lambda: MicroArchitecture.from_numbers(numbers(r0_0=2)), ["node 0 of the normal cell is 2", "0 to 1"]),
    (lambda: MicroArchitecture.from_numbers(numbers(r1_6=3)), ["node 1 of the reduction cell is 3", "to 2"]),
    (lambda: MicroArchitecture.from_numbers(numbers(r1_6=-1)), ["node 1 of the reduction cell is -1"]),
    (lambda: MicroArchitecture.from_numbers(numbers(r0_3=5)), ["node 0 of the normal cell is 5", "0 to 4"]),
    (lambda: MicroArchitecture.from_numbers(numbers(r0_3=-2)), ["node 0 of the normal cell is -2"]),
    (lambda: MicroArchitecture.from_numbers(np.zeros((2, 6), int)), ["(2, 6)", "(2, 4 B)"]),
    (lambda: MicroArchitecture.from_numbers(np.zeros((3, 4), int)), ["(3, 4)", "(2, 4 B)"]),
    (lambda: MicroArchitecture.from_numbers(np.zeros((2, 0), int)), ["(2, 0)", "(2, 4 B)"]),
    (lambda: MicroArchitecture.from_numbers(np.zeros(40, int)), ["(40,)", "2 dimension"]),
    (lambda: MicroArchitecture.from_numbers(np.zeros((2, 4))), ["float64", "integers"]),
    (lambda: MicroArchitecture.from_text("0 0 0 0"), ["4 numbers", "8 B"]),
    (lambda: MicroArchitecture.from_text("0 0 0 0 0 0 0 x"), ["number 8 is 'x'"]),
    (lambda: MicroArchitecture((Node(True, "identity", 0, "identity"),), REDUCTION[1:]), ["is True"]),
    (lambda: MicroArchitecture((Node(0, "conv3x3", 0, "identity"),), REDUCTION[1:]), ["'conv3x3'"]),
    (lambda: MicroSpace(0), ["number of nodes is 0", "at least 1"]),
    (lambda: MicroSpace(5, 6), ["number of operations is 6", "1 to 5"]),
    (lambda: MicroSpace(5).contains(SMALL), ["2 nodes", "expected 5"]),
    (lambda: MicroSpace(2, 4).contains(SMALL), ["node 0 of the normal cell is 'identity'", "max_pool3x3"]),
    (lambda: MicroSpace(2).contains(PUBLISHED_MACRO["enas"]), ["a macro architecture", "micro"]),
]


@pytest.mark.parametrize("make, words", WRONG)
def test_errors_say_what_was_found(make, words):
    with pytest.raises(UserError) as caught:
        make()
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_space_contains_what_it_draws():
    rng = np.random.default_rng(0)
    for num_ops in range(1, 6):
        space = MicroSpace(4, num_ops)
        space.contains(space.random(rng))
    MicroSpace().contains(PUBLISHED["enas"])


def test_random_is_uniform_and_repeatable():
    space = MicroSpace(3, 4)
    rng = np.random.default_rng(0)
    drawn = np.array([space.random(rng).to_numbers() for _ in range(1000)])  # (1000, 2, 12)
    for column in range(12):
        choices = 4 if column % 2 else column // 4 + 2
        for row in range(2):
            shares = np.bincount(drawn[:, row, column], minlength=choices) / len(drawn)
            np.testing.assert_allclose(shares, 1 / choices, atol=0.06)
    assert MicroArchitecture.from_numbers(drawn[0]) == space.random(np.random.default_rng(0))


def test_the_operations_have_the_numbers_of_both_predecessors():
    assert OPERATIONS == ("sepconv3x3", "sepconv5x5", "average_pool3x3", "max_pool3x3", "identity")


def test_published_cells_are_those_of_the_golden_data():
    golden = np.load(GOLDEN / "micro_fixed_final_arc.npz", allow_pickle=False)
    rows = PUBLISHED["enas"].to_numbers()
    np.testing.assert_array_equal(rows, [golden["arc_normal"], golden["arc_reduce"]])
