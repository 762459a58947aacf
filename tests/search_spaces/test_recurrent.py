import pathlib

import numpy as np
import pytest

from errors import UserError
from search_spaces.macro import PUBLISHED as PUBLISHED_MACRO
from search_spaces.recurrent import PUBLISHED, RecurrentArchitecture, RecurrentSpace

GOLDEN = pathlib.Path(__file__).parents[1] / "golden"
NODES = ((0, "sigmoid"), (1, "identity"), (0, "relu"))
NEW = RecurrentArchitecture(NODES)
OLD = RecurrentArchitecture(NODES, "relu", "loose_ends")


def test_the_two_arc_forms_number_functions_differently():
    assert NEW.to_text() == "0 2 1 3 0 1"
    assert OLD.to_text() == "1 0 3 1 2 0 1"
    assert RecurrentArchitecture.from_text("0 2 1 3 0 1") == NEW
    assert RecurrentArchitecture.from_text("1 0 3 1 2 0 1") == OLD


def test_numbers_are_those_of_the_text():
    for architecture in (NEW, OLD):
        array = architecture.to_numbers()
        assert array.dtype == np.int64
        assert array.tolist() == [int(number) for number in architecture.to_text().split()]


PUBLISHED_TEXTS = [
    ("enas", "0 2 1 0 2 1 2 2 4 0 5 0 3 2 6 2"),
    ("darts", "0 2 1 1 1 1 1 3 2 0 5 2 3 0 5 1"),
    ("enas-old", "0 0 0 1 1 2 1 2 0 2 0 5 1 1 0 6 1 8 1 8 1 8 1"),
]


@pytest.mark.parametrize("name, text", PUBLISHED_TEXTS)
def test_published_arcs_survive_every_form(name, text):
    published = PUBLISHED[name]
    assert published.to_text() == text
    assert RecurrentArchitecture.from_text(text) == published
    assert RecurrentArchitecture.from_numbers(published.to_numbers()) == published
    assert RecurrentArchitecture.from_json(published.to_json()) == published


def test_published_arcs_by_name():
    assert PUBLISHED["enas"].nodes[:3] == ((0, "sigmoid"), (1, "tanh"), (2, "relu"))
    assert PUBLISHED["darts"].nodes[3] == (1, "identity")
    assert PUBLISHED["enas-old"].nodes[-1] == (8, "relu")
    assert [PUBLISHED[name].num_nodes for name in ("enas", "darts", "enas-old")] == [8, 8, 11]
    assert PUBLISHED["enas-old"].first_function == "tanh"


def test_output_nodes():
    assert NEW.output_nodes() == (1, 2, 3)
    assert OLD.output_nodes() == (2, 3)
    assert PUBLISHED["enas-old"].output_nodes() == (3, 4, 7, 9, 10, 11)


@pytest.mark.parametrize("num_nodes", [1, 2, 9, 30])
def test_random_architectures_survive_every_form(num_nodes):
    rng = np.random.default_rng(num_nodes)
    for function in ("tanh", "relu", "sigmoid", "identity"):
        new = RecurrentSpace(num_nodes).random(rng)
        for architecture in (new, RecurrentArchitecture(new.nodes, function, "loose_ends")):
            assert RecurrentArchitecture.from_text(architecture.to_text()) == architecture
            assert RecurrentArchitecture.from_numbers(architecture.to_numbers()) == architecture
            assert RecurrentArchitecture.from_json(architecture.to_json()) == architecture


def test_an_old_arc_means_what_its_authors_compute():
    """The hidden states of their code for the published old arc, by a plain reading of the architecture."""
    golden = np.load(GOLDEN / "ptb_fixed_arc.npz", allow_pickle=False)
    prefix = "var/ptb_enas_model/"
    cell = RecurrentArchitecture.from_numbers(golden["arc"])
    functions = {
        "tanh": np.tanh,
        "relu": lambda x: np.maximum(x, 0),
        "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
        "identity": lambda x: x,
    }

    def highway(state, product, function):
        h, t = np.split(product, 2, axis=1)
        return state + functions["sigmoid"](t) * (functions[function](h) - state)

    state, outputs = golden[prefix + "starting_states/Variable:0"], []
    words = golden[prefix + "embedding/w:0"][golden["x"]]  # (batch, time, hidden)
    for word in words.transpose(1, 0, 2):
        first = np.hstack([word, state]) @ golden[prefix + "rnn/layer_0/w_prev:0"]
        states = [highway(state, first, cell.first_function)]
        for number, (previous, function) in enumerate(cell.nodes, 1):
            weights = golden[f"{prefix}rnn/layer_0/layer_{number}/w:0"]
            states.append(highway(states[previous], states[previous] @ weights, function))
        state = np.mean([states[number] for number in cell.output_nodes()], axis=0)
        outputs.append(state)
    hidden = np.stack(outputs, axis=1).reshape(golden["eval_h"].shape)
    np.testing.assert_allclose(hidden, golden["eval_h"], rtol=1e-4, atol=1e-5)


def test_json_holds_names():
    assert OLD.to_json() == {
        "format": 1,
        "space": "recurrent",
        "first_function": "relu",
        "nodes": [
            {"previous": "node 0", "function": "sigmoid"},
            {"previous": "node 1", "function": "identity"},
            {"previous": "node 0", "function": "relu"},
        ],
        "output": "loose_ends",
    }


def test_description():
    assert OLD.describe().splitlines() == [
        "recurrent cell of 3 nodes after node 0",
        "node 0: relu(word, last state)",
        "node 1: sigmoid(node 0)",
        "node 2: identity(node 1)",
        "node 3: relu(node 0)",
        "output: mean of node 2, node 3",
    ]
    assert NEW.describe().splitlines()[-1] == "output: mean of node 1, node 2, node 3"
    assert PUBLISHED["darts"].describe().splitlines()[5] == "node 4: identity(node 1)"


def test_architectures_are_hashable_values():
    assert len({NEW, OLD, RecurrentArchitecture.from_text(NEW.to_text())}) == 2


WRONG = [
    (lambda: RecurrentArchitecture(()), ["no nodes", "at least one"]),
    (lambda: RecurrentArchitecture(((1, "tanh"),)), ["node 1 is 1", "0 to 0"]),
    (lambda: RecurrentArchitecture(((0, "tanh"), (-1, "tanh"))), ["node 2 is -1", "0 to 1"]),
    (lambda: RecurrentArchitecture(((False, "tanh"),)), ["node 1 is False", "whole number"]),
    (lambda: RecurrentArchitecture(((0, "gelu"),)), ["node 1 is 'gelu'", "tanh, relu"]),
    (lambda: RecurrentArchitecture(NODES, "elu"), ["node 0 is 'elu'", "tanh, relu"]),
    (lambda: RecurrentArchitecture(NODES, "relu"), ["node 0 is relu", "tanh", "loose_ends"]),
    (lambda: RecurrentArchitecture(NODES, "tanh", "some"), ["output is 'some'", "loose_ends"]),
    (lambda: RecurrentArchitecture.from_text("0 4"), ["node 1 is 4", "0 to 3", "sigmoid"]),
    (lambda: RecurrentArchitecture.from_text("4 0 0"), ["node 0 is 4", "0 to 3"]),
    (lambda: RecurrentArchitecture.from_text("0 0 2 0"), ["previous node of node 2 is 2", "0 to 1"]),
    (lambda: RecurrentArchitecture.from_text("0"), ["1 number(s)", "2 N"]),
    (lambda: RecurrentArchitecture.from_text(""), ["no numbers"]),
    (lambda: RecurrentArchitecture.from_numbers([0, -3]), ["node 1 is -3"]),
    (lambda: RecurrentArchitecture.from_numbers([0.0, 1.0]), ["float64", "integers"]),
    (lambda: RecurrentArchitecture.from_numbers([[0, 1]]), ["(1, 2)", "1 dimension"]),
    (lambda: RecurrentSpace(0), ["number of nodes is 0", "at least 1"]),
    (lambda: RecurrentSpace("8"), ["number of nodes is '8'"]),
    (lambda: RecurrentSpace(9).contains(PUBLISHED["enas"]), ["8 nodes", "expected 9"]),
    (lambda: RecurrentSpace(11).contains(PUBLISHED["enas-old"]), ["old form", "expected the new form"]),
    (lambda: RecurrentSpace(8).contains(PUBLISHED_MACRO["enas"]), ["a macro architecture", "recurrent"]),
    (lambda: RecurrentSpace(8, "old").contains(PUBLISHED["enas"]), ["new form", "expected the old form"]),
    (lambda: RecurrentSpace(9, "odd"), ["arc form is 'odd'", "new, old"]),
    (lambda: RecurrentSpace(9, "old", 5), ["number of functions is 5", "1 to 4"]),
    (lambda: RecurrentSpace(11, "old", 1).contains(PUBLISHED["enas-old"]), ["function is 'relu'", "one of tanh"]),
]


@pytest.mark.parametrize("make, words", WRONG)
def test_errors_say_what_was_found(make, words):
    with pytest.raises(UserError) as caught:
        make()
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_space_contains_what_it_draws():
    space = RecurrentSpace(9)
    space.contains(space.random(np.random.default_rng(0)))
    RecurrentSpace(8).contains(PUBLISHED["darts"])
    RecurrentSpace(11, "old").contains(PUBLISHED["enas-old"])


def test_random_is_uniform_and_repeatable():
    space = RecurrentSpace(4)
    rng = np.random.default_rng(0)
    drawn = np.array([space.random(rng).to_numbers() for _ in range(2000)])  # (2000, 8)
    for column in range(8):
        choices = 4 if column % 2 else column // 2 + 1
        shares = np.bincount(drawn[:, column], minlength=choices) / len(drawn)
        np.testing.assert_allclose(shares, 1 / choices, atol=0.05)
    assert RecurrentArchitecture.from_numbers(drawn[0]) == space.random(np.random.default_rng(0))


def test_random_of_the_old_form_draws_node_0_too():
    space, rng = RecurrentSpace(3, "old", 3), np.random.default_rng(0)
    drawn = [space.random(rng) for _ in range(2000)]
    numbers = np.array([architecture.to_numbers() for architecture in drawn])  # (2000, 7)
    for column, choices in enumerate((3, 1, 3, 2, 3, 3, 3)):
        shares = np.bincount(numbers[:, column], minlength=choices) / len(numbers)
        np.testing.assert_allclose(shares, 1 / choices, atol=0.05)
    for architecture in drawn[:20]:
        space.contains(architecture)
        assert architecture.output == "loose_ends"
