"""ONNX files against NNabla's own functions, where the package `onnx` is installed: its reference in NumPy runs them."""

import json

import nnabla as nn
import nnabla.functions as F
import numpy as np
import pytest

from deployment.export import InferenceGraph, architecture_of, inference_graph
from deployment.onnx_file import write_onnx
from errors import UserError
from tests.deployment.networks import KINDS, make_language_model, make_network

pytest.importorskip("onnx", reason="onnx is not installed")


def computed(path, pixels):
    """The probabilities of an .onnx file."""
    from onnx.reference import ReferenceEvaluator

    return ReferenceEvaluator(str(path)).run(None, {"pixels": pixels})[0]


@pytest.mark.parametrize("shape", [(3, 9, 12), (1, 8, 8), (3, 3, 2)], ids=str)
@pytest.mark.parametrize("kind", KINDS, ids="-".join)
def test_a_file_computes_what_the_network_does(kind, shape, tmp_path):
    network, facts = make_network(*kind, shape)
    graph = inference_graph(network, facts)
    write_onnx(tmp_path / "a.onnx", graph, {"classes": facts["classes"]})
    pixels = np.random.default_rng(1).integers(0, 256, (1, *shape)).astype(np.float32)
    graph.inputs["pixels"].d = pixels
    graph.outputs["probabilities"].forward()
    expected = graph.outputs["probabilities"].d
    assert expected.std() > 1e-3
    for count in (1, 3):
        found = computed(tmp_path / "a.onnx", pixels.repeat(count, axis=0))
        np.testing.assert_allclose(found, expected.repeat(count, axis=0), rtol=1e-4, atol=1e-6)


def test_a_language_model_goes_on_word_by_word(tmp_path):
    from onnx.reference import ReferenceEvaluator

    model, facts = make_language_model()
    write_onnx(tmp_path / "a.onnx", inference_graph(model, facts), {})
    words, state = nn.Variable((4, 3)), nn.Variable((3, model.size))
    words.d, state.d = np.random.default_rng(0).integers(0, model.num_words, (4, 3)), 0
    probabilities = F.softmax(model.logits(model.hidden_states(words, state, architecture_of(facts))))
    probabilities.forward()
    file, state = ReferenceEvaluator(str(tmp_path / "a.onnx")), state.d
    for word, expected in zip(words.d.astype(np.int64), probabilities.d, strict=True):
        found, state = file.run(["probabilities", "next_state"], {"word": word[:, None], "state": state})
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
    assert np.ptp(probabilities.d, axis=0).max() > 1e-2


def test_a_function_without_translation_is_named(tmp_path):
    x = nn.Variable((1, 3))
    with pytest.raises(UserError, match="function Sin cannot be translated to ONNX; export to .nnp"):
        write_onnx(tmp_path / "a.onnx", InferenceGraph({"x": x}, {"y": F.sin(x)}, {}), {})
    assert not list(tmp_path.iterdir())


def test_class_names_of_any_script_are_kept(tmp_path):
    import onnx

    x = nn.Variable((1, 3))
    names = ["Käfer", "蜂", "'", "a\udcff"]  # the last one is a folder's whose name is no text
    write_onnx(tmp_path / "a.onnx", InferenceGraph({"x": x}, {"y": F.relu(x)}, {}), {"classes": names})
    (kept,) = onnx.load(tmp_path / "a.onnx").metadata_props
    assert (kept.key, json.loads(kept.value)) == ("classes", names)
