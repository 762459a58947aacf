"""The table of operations, and that an entry in it is all that a new one needs."""

import json
import pathlib
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest

from datasets import load_images
from deployment.export import load_nnp
from errors import UserError
from search_spaces import macro, micro
from search_spaces.operations import TABLE, _ordered, authors_names, chosen, names_of
from tests.deployment import numpy_torch

ROOT = pathlib.Path(__file__).parents[2]


def test_numbers_are_those_of_the_predecessors():
    assert names_of("macro") == ("conv3x3", "conv5x5", "sepconv3x3", "sepconv5x5", "max_pool3x3", "average_pool3x3")
    assert authors_names() == ("conv3x3", "sepconv3x3", "conv5x5", "sepconv5x5", "average_pool3x3", "max_pool3x3")
    assert names_of("micro") == ("sepconv3x3", "sepconv5x5", "average_pool3x3", "max_pool3x3", "identity")


def test_each_operation_has_its_own_name_and_color():
    assert len({operation.name for operation in TABLE}) == len({operation.color for operation in TABLE}) == len(TABLE)
    assert all(re.fullmatch("#[0-9a-f]{6}", operation.color) for operation in TABLE)


@pytest.mark.parametrize("numbers", [{"a": 0, "b": 2}, {"a": 0, "b": 0}, {"a": 1}])
def test_numbers_have_no_gap(numbers):
    with pytest.raises(ValueError, match="without a gap"):
        _ordered(numbers)


def test_names_are_chosen_in_the_order_of_the_space():
    assert chosen("macro", "max_pool3x3, conv3x3") == ("conv3x3", "max_pool3x3")
    for text, message in {
        "conv3x4": r"'conv3x4' is not one of conv3x3, .* \(did you mean conv3x3\?\)",
        "": "'' is not one of",
        "conv3x3,": "'' is not one of",
        "identity": "'identity' is not one of",
        "conv3x3,conv3x3": "conv3x3 twice",
    }.items():
        with pytest.raises(UserError, match=message):
            chosen("macro", text)


@pytest.mark.parametrize("space", [
    macro.MacroSpace(5, operations=("conv5x5", "max_pool3x3")),
    micro.MicroSpace(4, operations=("average_pool3x3", "identity")),
])
def test_a_space_of_some_operations_draws_these_alone(space):
    rng, seen = np.random.default_rng(0), set()
    for _ in range(20):
        architecture = space.random(rng)
        space.contains(architecture)
        seen |= {word for word in re.findall(r"\w+", architecture.describe()) if word in (*names_of("macro"), *names_of("micro"))}
    assert seen == set(space.operations) and space.num_ops == 2
    with pytest.raises(UserError, match=f"expected one of {space.operations[0]}, {space.operations[1]}"):
        space.contains(type(space)(getattr(space, "num_layers", 4)).random(rng))


def test_a_space_refuses_operations_that_are_not_there():
    for operations, message in ((("identity",), "'identity'"), (("conv3x3",) * 2, "each of them once")):
        with pytest.raises(UserError, match=message):
            macro.MacroSpace(4, operations=operations)


# ---- an operation that is added --------------------------------------------------------------------------------------

SOURCES = ("datasets", "deployment", "kernels", "models", "reporting", "runs", "search_spaces", "training")
USES = """
import numpy as np

from deployment.complexity import image_network_cost
from models import macro_cnn, micro_cnn
from models.parameters import ParameterScope
from reporting.layouts import layout
from search_spaces.files import load_architecture, save_architecture
from search_spaces.genotype import read_genotype, to_genotype
from search_spaces.macro import MacroArchitecture, MacroSpace
from search_spaces.micro import MicroSpace

skips = ((), (1,), (0, 1))
added, known = (MacroArchitecture((name, "conv3x3", name), skips) for name in ("dilconv3x3", "sepconv3x3"))
cells = MicroSpace(3, operations=("dilconv3x3", "identity")).random(np.random.default_rng(0))
for architecture in (added, cells):
    for suffix in (".npy", ".txt", ".json"):
        save_architecture(f"a{suffix}", architecture)
        assert load_architecture(f"a{suffix}") == architecture, suffix
    assert "#c9b6e4" in {box.color for box in layout(architecture).boxes}
assert added.to_text() == "6 0 1 6 0 1" and added.to_numbers()[0] == 6

# A dilated convolution has the weights of another and is as expensive; a micro cell applies it once.
for network in (macro_cnn.SharedNetwork(ParameterScope(), 4, 10), macro_cnn.FinalNetwork(ParameterScope(), 4, 10)):
    assert image_network_cost(network, added, (3, 16, 16)) == image_network_cost(network, known, (3, 16, 16))
genotype = (
    "Genotype(normal=[('dil_conv_3x3', 0), ('skip_connect', 1)], normal_concat=[2], "
    "reduce=[('max_pool_3x3', 0), ('max_pool_3x3', 1)], reduce_concat=[2])"
)
cell, remarks = read_genotype(genotype)
assert remarks == () and to_genotype(cell) == genotype
once = read_genotype(genotype.replace("dil_conv", "sep_conv"))[0]
network = micro_cnn.FinalNetwork(ParameterScope(), 4, 10, 3)
ours, twice = (image_network_cost(network, each, (3, 16, 16)).parameters for each in (cell, once))
widths = (4, 8, 16)  # of the three normal cells
assert twice - ours == sum(9 * width + width**2 + 2 * width for width in widths)
open("cell.txt", "w").write(genotype)
"""


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """A copy of the sources with the line of CONTRIBUTING.md in the table."""
    folder = tmp_path_factory.mktemp("copy") / "enas"
    folder.mkdir()
    for name in SOURCES:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for path in ROOT.glob("*.py"):
        shutil.copy(path, folder)
    entries = re.findall(r"^    Operation\(.*\),$", (ROOT / "CONTRIBUTING.md").read_text(), re.MULTILINE)
    assert len(entries) == 1
    table = folder / "search_spaces" / "operations.py"
    text = table.read_text()
    assert text.count("\n)\n# fmt: on\n") == 1
    table.write_text(text.replace("\n)\n# fmt: on\n", f"\n{entries[0]}\n)\n# fmt: on\n"))
    return folder


def run(copy, folder, *words):
    command = [sys.executable, *map(str, words)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, env={"PYTHONPATH": str(copy)})
    assert done.returncode == 0, done.stderr
    return done.stdout


SMALL = "-c cpu --preset quick --cpu-threads 1 --train-size 32 -b 16 --output-filter 4"
BRIEF = "-i 1 -e 1 -C 2 --controller-steps 1 --num-derive 1 --ops dilconv3x3 --recommended-arch a.json"


def test_one_entry_adds_an_operation_to_files_drawings_costs_genotypes_and_exports(copy, tmp_path, monkeypatch):
    run(copy, tmp_path, "-c", USES)
    options = f"{SMALL} -r 1 -f 0 --num-cells 3 --recommended-arch cell.txt -o ."
    assert "dilconv3x3(cell before previous)" in run(copy, tmp_path, copy / "micro_retrain.py", *options.split())
    run(copy, tmp_path, copy / "deploy.py", "export", "model.nnp", "-o", "exported.py")
    assert "Separable(filters, filters, 3, dilation=2)" in (tmp_path / "exported.py").read_text()
    module, images = numpy_torch.load_module(tmp_path / "exported.py", monkeypatch), load_images("digits").test_images[:4]
    odds = np.exp(module.load()(module.torch.tensor(images)))
    expected = load_nnp(tmp_path / "model.nnp").probabilities(images)
    np.testing.assert_allclose(odds / odds.sum(axis=1, keepdims=True), expected, atol=1e-4)


@pytest.mark.parametrize("space, sizes", [("macro", "--num-layers 3"), ("micro", "--num-cells 3 --num-nodes 3")])
def test_one_entry_adds_an_operation_to_the_searches(copy, tmp_path, space, sizes):
    printed = run(copy, tmp_path, copy / f"{space}_search.py", *f"{SMALL} {BRIEF} {sizes}".split())
    assert "dilconv3x3" in printed
    document = json.loads((tmp_path / "a.json").read_text())
    assert document["origin"]["operations"] == ["dilconv3x3"]
    found = set(re.findall(r"\b\w*(?:conv|pool)\w*|identity", json.dumps(document)))
    assert found == {"dilconv3x3"}
