import json

import numpy as np
import pytest

from errors import UserError
from search_spaces import macro, micro, recurrent
from search_spaces.files import load_architecture, parse
from search_spaces.genotype import read_genotype, to_genotype

# Two nodes in each cell, of which the first is read in the normal cell.
TEXT = (
    "Genotype(normal=[('sep_conv_5x5', 1), ('max_pool_3x3', 0), ('skip_connect', 2), ('sep_conv_3x3', 0)], "
    "normal_concat=range(2, 4), "
    "reduce=[('avg_pool_3x3', 0), ('sep_conv_3x3', 1), ('skip_connect', 1), ('sep_conv_5x5', 0)], reduce_concat=range(2, 4))"
)
CELLS = micro.MicroArchitecture(
    (micro.Node(1, "sepconv5x5", 0, "max_pool3x3"), micro.Node(2, "identity", 0, "sepconv3x3")),
    (micro.Node(0, "average_pool3x3", 1, "sepconv3x3"), micro.Node(1, "identity", 0, "sepconv5x5")),
)
# The cell of DARTS for Penn Treebank, pair by pair the arc that the authors of ENAS ran beside theirs.
DARTS_RNN = (
    "Genotype(recurrent=[('sigmoid', 0), ('relu', 1), ('relu', 1), ('identity', 1), ('tanh', 2), ('sigmoid', 5), ('tanh', 3), "
    "('relu', 5)], concat=range(1, 9))"
)


def test_cells_are_read_and_the_difference_of_their_output_is_said():
    architecture, remarks = read_genotype(TEXT)
    assert architecture == CELLS
    assert len(remarks) == 1 and "normal cell concatenates the states 2, 3" in remarks[0]
    assert remarks[0].endswith("that no node reads: 3")
    _, remarks = read_genotype(TEXT.replace("normal_concat=range(2, 4)", "normal_concat=[3]"))
    assert remarks == ()


def test_the_remark_reaches_the_user(tmp_path):
    (tmp_path / "genotype").write_text(TEXT)
    lines = []
    assert load_architecture(tmp_path / "genotype", "micro", lines.append) == CELLS
    assert len(lines) == 1
    assert load_architecture(TEXT, None, lines.append) == CELLS and len(lines) == 2


def test_a_recurrent_cell_is_read():
    assert parse(DARTS_RNN.encode(), ".txt") == recurrent.PUBLISHED["darts"]
    loose = recurrent.RecurrentArchitecture(((0, "tanh"), (1, "relu"), (1, "identity")), output="loose_ends")
    assert read_genotype("Genotype(recurrent=[('tanh', 0), ('relu', 1), ('identity', 1)], concat=[2, 3])") == (loose, ())


@pytest.mark.parametrize("form", [
    "DARTS_V2 = {}", "# found 1 May\n{}\n", "  {}  # mine", "2018-01-01 12:00:00 PM genotype = {}", "\ufeff{}", "{}\n\n",
])
def test_what_stands_around_a_genotype(form):
    assert parse(form.format(TEXT).encode(), ".txt") == CELLS


def test_its_fields_as_json():
    fields = {"normal_concat": [2, 3], "reduce_concat": [2, 3]}
    fields["normal"] = [["sep_conv_5x5", 1], ["max_pool_3x3", 0], ["skip_connect", 2], ["sep_conv_3x3", 0]]
    fields["reduce"] = [["avg_pool_3x3", 0], ["sep_conv_3x3", 1], ["skip_connect", 1], ["sep_conv_5x5", 0]]
    assert parse(json.dumps(fields).encode(), ".json", "micro") == CELLS


def test_what_is_written_is_read_back_without_a_remark():
    rng, written = np.random.default_rng(0), 0
    for _ in range(100):
        architecture = micro.MicroSpace(4).random(rng)
        if micro.loose_ends(architecture.reduction)[0] < 2:
            with pytest.raises(UserError, match="one input of the reduction cell goes to the output"):
                to_genotype(architecture)
            continue
        written += 1
        assert read_genotype(to_genotype(architecture)) == (architecture, ())
    assert written > 20
    for architecture in (recurrent.PUBLISHED["enas"], recurrent.PUBLISHED["darts"], recurrent.PUBLISHED["enas-old"]):
        assert read_genotype(to_genotype(architecture)) == (architecture, ())


def test_the_form_that_is_written():
    assert to_genotype(CELLS) == TEXT.replace("range(2, 4)", "[3]", 1).replace("range(2, 4)", "[2, 3]")


@pytest.mark.parametrize("architecture, message", [
    (macro.PUBLISHED["enas"], "a macro architecture found"),
    (recurrent.RecurrentArchitecture(((0, "tanh"),), "relu", "loose_ends"), "node 0 is relu"),
])
def test_what_no_genotype_says_is_refused(architecture, message):
    with pytest.raises(UserError, match=message):
        to_genotype(architecture)


@pytest.mark.parametrize("before, after, message", [
    ("sep_conv_5x5', 1", "dil_conv_9x9', 1", "0 of the normal cell is 'dil_conv_9x9', which has no equivalent here; expected"),
    ("avg_pool_3x3", "none", "node 0 of the reduce cell is 'none', which has no equivalent"),
    ("('skip_connect', 2)", "('skip_connect', 3)", "a state of node 1 of the normal cell is 3; expected a whole number"),
    ("('skip_connect', 2)", "('skip_connect', -1)", "is -1"),
    ("('skip_connect', 2)", "('skip_connect', True)", "is True"),
    ("('skip_connect', 2)", "'skip_connect'", "expected pairs"),
    ("('skip_connect', 2)", "(2, 'skip_connect')", "expected pairs"),
    ("('skip_connect', 2), ", "", "the normal cell has 3 pairs; expected two for each node"),
    (", ('skip_connect', 2), ('sep_conv_3x3', 0)", "", "a number of normal_concat is 3"),
    ("normal_concat=range(2, 4), ", "", "expected normal, normal_concat, reduce, reduce_concat or recurrent, concat"),
    ("normal_concat=range(2, 4)", "normal_concat=range(2, 40)", "a number of normal_concat is 4"),
    ("normal_concat=range(2, 4)", "normal_concat=range(10**9)", "not complete"),
    ("normal_concat=range(2, 4)", "normal_concat=range(999999999)", "not complete"),
    ("normal_concat=range(2, 4)", "normal_concat=print(2)", "not complete"),
    ("normal_concat=range(2, 4)", "normal_concat=__import__('os').getcwd()", "not complete"),
    ("normal_concat=range(2, 4)", "**{}", "not complete|expected normal"),
    ("normal=[", "normal=3, x=[", "expected normal"),
    ("Genotype(", "Genotype([1], ", "not complete"),
    (", reduce_concat=range(2, 4))", "", "not complete"),
    ("reduce_concat=range(2, 4))", "reduce_concat=range(2, 4)) + 1", "not complete"),
    ("range(2, 4))", f"range(2, 4){')' * 9}", "not complete"),
    ("range(2, 4))", f"{'[' * 3000}2{']' * 3000})", "not complete"),
    ("range(2, 4))", f"{'-' * 9000}2)", "not complete|whole number"),
    ("range(2, 4))", f"[{'2, ' * 9000}])", "more than 20000 characters"),
    ("range(2, 4))", f"range(2, 4)) or {TEXT}", "2 genotypes"),
])
def test_what_is_no_genotype_is_refused(before, after, message):
    with pytest.raises(UserError, match=message):
        parse(TEXT.replace(before, after, 1).encode(), ".txt")


def test_another_mean_of_recurrent_nodes_is_refused():
    with pytest.raises(UserError, match="mean of the nodes 1, 2; here of all or of those not read"):
        read_genotype(DARTS_RNN.replace("range(1, 9)", "[1, 2]"))
    with pytest.raises(UserError, match="node 1 is 'elu', which has no equivalent here; expected tanh, relu"):
        read_genotype(DARTS_RNN.replace("sigmoid", "elu"))


def test_a_genotype_of_another_space_names_it():
    with pytest.raises(UserError, match="this is a micro architecture; expected a macro architecture"):
        parse(TEXT.encode(), ".txt", "macro")
