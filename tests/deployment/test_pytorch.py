"""PyTorch modules against the networks that they were made of: run by PyTorch where it is installed, and by NumPy everywhere."""

import ast
import importlib.util
import json
import struct
import sys

import nnabla as nn
import numpy as np
import pytest

from deployment.export import architecture_of
from deployment.pytorch import expect_module, write_pytorch
from errors import UserError
from models import layers
from search_spaces import micro
from tests.deployment import numpy_torch
from tests.deployment.networks import CLASSES, KINDS, MEAN, OTHER_CELL, WORDS, make_language_model, make_network, normalizer

OTHER = micro.MicroArchitecture(OTHER_CELL, OTHER_CELL)  # an input of a reduction cell goes to its output
NETWORKS = [(*kind, shape, None) for kind in KINDS for shape in ((3, 9, 12), (1, 8, 8), (3, 3, 2))]
NETWORKS += [("micro", "searched", (3, 7, 10), OTHER)]


def engines():
    missing = importlib.util.find_spec("torch") is None
    return ["numpy", pytest.param("torch", marks=pytest.mark.skipif(missing, reason="PyTorch is not installed"))]


@pytest.fixture(params=engines())
def load_module(request, monkeypatch, tmp_path):
    """Function that imports an exported module."""

    def load(path=tmp_path / "model.py"):
        if request.param == "numpy":
            for name, module in numpy_torch.modules().items():
                monkeypatch.setitem(sys.modules, name, module)
        spec = importlib.util.spec_from_file_location("exported", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


def expected_logits(network, facts, pixels):
    images = nn.Variable(pixels.shape)
    images.d = normalizer(pixels.shape[1])(pixels)
    with layers.plain():
        logits = network.build(images, architecture_of(facts), layers.RUNNING).logits
    logits.forward()
    return logits.d


@pytest.mark.parametrize("space, form, shape, architecture", NETWORKS)
def test_a_module_gives_the_logits_of_the_network(load_module, tmp_path, space, form, shape, architecture):
    network, facts = make_network(space, form, shape, architecture)
    write_pytorch(tmp_path / "model.py", network, facts)
    module = load_module()
    pixels = np.random.default_rng(0).integers(0, 256, (3, *shape)).astype(np.uint8)
    expected, model = expected_logits(network, facts, pixels), module.load()
    assert np.ptp(expected, axis=0).max() > 1e-2  # the pictures differ
    tensor = module.torch.tensor(pixels)
    for images in (tensor, model.normalize(tensor)):
        found = model(images)
        np.testing.assert_allclose(found.detach() if hasattr(found, "detach") else found, expected, atol=1e-4)
    assert tuple(CLASSES) == module.CLASSES
    np.testing.assert_allclose(module.MEAN, MEAN[: shape[0]], atol=1e-6)


def test_a_normalized_cell_is_refused(tmp_path):
    with pytest.raises(UserError, match="--node-batch-norm cannot be translated to PyTorch"):
        write_pytorch(tmp_path / "model.py", *make_language_model("enas-old", normalized=True))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("cell", ["enas", "darts", "enas-old"])
def test_a_module_gives_the_logits_of_the_language_model(load_module, tmp_path, cell):
    model, facts = make_language_model(cell)
    write_pytorch(tmp_path / "model.py", model, facts)
    module = load_module()
    words, state = nn.Variable((5, 1)), nn.Variable((1, model.size))
    words.d, state.d = np.array([4, 2, 3, 1, 0])[:, None], 0
    logits = model.logits(model.hidden_states(words, state, architecture_of(facts)))
    logits.forward()
    assert logits.d.std() > 1e-2
    network = module.load()
    numbers = network.numbers("the cat saw dogs\n")  # no dogs in its vocabulary
    assert network.words == list(WORDS) and numbers.tolist() == words.d.tolist()
    first, between = network(numbers[:2])
    rest, _ = network(numbers[2:], between)
    for found, expected in ((first, logits.d[:2]), (rest, logits.d[2:])):
        np.testing.assert_allclose(found.detach() if hasattr(found, "detach") else found, expected, atol=1e-4)


def test_the_weights_are_a_safetensors_file(tmp_path):
    network, facts = make_network("macro", "searched")
    assert write_pytorch(tmp_path / "model.py", network, facts) == tmp_path / "model.safetensors"
    data = (tmp_path / "model.safetensors").read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    assert length % 8 == 0 and json.loads(header.pop("__metadata__")["classes"]) == list(CLASSES)
    ends = sorted(entry["data_offsets"] for entry in header.values())
    assert [0, *(end for _, end in ends)] == [*(begin for begin, _ in ends), len(data) - 8 - length]  # no gap, no overlap
    for entry in header.values():
        assert entry["dtype"] == "F32" and 4 * np.prod(entry["shape"]) == np.ptp(entry["data_offsets"])
    assert sum(np.prod(entry["shape"]) for entry in header.values()) == sum(v.size for v in network.scope.all().values())


def test_the_package_safetensors_reads_them(tmp_path):
    numpy = pytest.importorskip("safetensors.numpy", reason="safetensors is not installed")
    network, facts = make_network("macro", "searched")
    arrays = numpy.load_file(write_pytorch(tmp_path / "model.py", network, facts))
    np.testing.assert_array_equal(arrays["stem.layer.weight"], network.scope.all()["stem/W"].d)


def test_the_source_is_what_the_network_needs(tmp_path):
    network, facts = make_network("micro", "searched")
    write_pytorch(tmp_path / "model.py", network, facts)
    text = (tmp_path / "model.py").read_text()
    compile(text, "model.py", "exec")
    classes = [node.name for node in ast.parse(text).body if isinstance(node, ast.ClassDef)]
    assert {"NormalCell", "ReductionCell", "Network", "Separable"} < {*classes} and "Layer" not in classes
    assert "node_0 = self.node_0_x(before) + self.node_0_y(last)" in text
    assert max(map(len, text.splitlines())) <= 130 and "deployment" not in text


def test_class_names_of_any_script_and_number_are_kept(load_module, tmp_path):
    network, facts = make_network("macro", "searched")
    names = ["Käfer", "蜂", "'", 'a"""b\n', "a\udcff"]  # the last one is a folder's whose name is no text
    for classes in (names[:4], [*names[2:], "ant"], [f"{'long ' * 8}{number}" for number in range(4)]):
        write_pytorch(tmp_path / "model.py", network, facts | {"classes": classes})
        assert list(load_module().CLASSES) == classes
        assert max(map(len, (tmp_path / "model.py").read_text().splitlines())) <= 130


@pytest.mark.parametrize("name", ["my-model.py", "3.py", "class.py", "torch.py", "json.py"])
def test_a_name_that_python_cannot_import_is_refused(tmp_path, name):
    with pytest.raises(UserError, match=f"{name}: Python cannot import"):
        expect_module(tmp_path / name)


def test_other_source_is_not_replaced(tmp_path):
    network, facts = make_network("macro", "searched")
    for _ in range(2):
        expect_module(tmp_path / "model.py")
        write_pytorch(tmp_path / "model.py", network, facts)
    (tmp_path / "model.py").write_text('"""My own."""\n')
    with pytest.raises(UserError, match="model.py exists already and is not an exported network; choose another name"):
        expect_module(tmp_path / "model.py")


def with_header(text):
    return struct.pack("<Q", len(text)) + text


FOREIGN = {
    "empty": b"",
    "no-header": b"weights of somebody" * 9,
    "no-json": with_header(b"{{"),
    "no-facts": with_header(b"{}"),
    "other-facts": with_header(b'{"__metadata__": {"format": "pt"}}'),
    "a-number": with_header(b'{"__metadata__": 5}'),
    "a-list": with_header(b"[]"),
}


@pytest.mark.parametrize("module_there", [False, True])
@pytest.mark.parametrize("content", FOREIGN.values(), ids=FOREIGN)
def test_other_weights_are_not_replaced(tmp_path, content, module_there):
    if module_there:
        write_pytorch(tmp_path / "model.py", *make_network("macro", "searched"))
    (tmp_path / "model.safetensors").write_bytes(content)
    with pytest.raises(UserError, match="model.safetensors exists already and is not the weights of an exported one; choose"):
        expect_module(tmp_path / "model.py")


@pytest.mark.parametrize("make", [lambda: make_network("macro", "searched"), make_language_model], ids=["images", "text"])
def test_weights_whose_module_is_gone_are_replaced(tmp_path, make):
    write_pytorch(tmp_path / "model.py", *make())
    (tmp_path / "model.py").unlink()
    expect_module(tmp_path / "model.py")


@pytest.mark.parametrize("name", ["model.py", "model.safetensors"])
def test_a_folder_of_that_name_is_refused(tmp_path, name):
    (tmp_path / name).mkdir()
    with pytest.raises(UserError, match=f"{name} exists already and is not .*; choose another name"):
        expect_module(tmp_path / "model.py")


def test_neither_file_is_written_without_the_other(tmp_path):
    network, facts = make_network("macro", "searched")
    (tmp_path / "model.safetensors").mkdir()
    with pytest.raises(UserError, match="cannot write .*model.safetensors"):
        write_pytorch(tmp_path / "model.py", network, facts)
    assert [path.name for path in tmp_path.iterdir()] == ["model.safetensors"]
