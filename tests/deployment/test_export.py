"""Exported networks against the graphs that retraining measures."""

import json
import zipfile

import nnabla as nn
import nnabla.functions as F
import numpy as np
import pytest

from deployment.export import FACTS, architecture_of, load_nnp, network_facts, read_facts, trained_network, write_facts, write_nnp
from errors import UserError
from models import layers
from models.parameters import save_parameters
from search_spaces import macro, micro
from spaces import SPACES
from tests.deployment.networks import (
    ARCHITECTURES,
    CLASSES,
    SHAPE,
    WORDS,
    final_options,
    make_language_model,
    make_network,
    normalizer,
)


@pytest.fixture(params=[("macro", "searched"), ("macro", "shared"), ("micro", "searched")], ids="-".join)
def trained(request):
    """(network, facts, architecture) of a network with weights and running statistics that are not those of the beginning."""
    network, facts = make_network(*request.param)
    return network, facts, ARCHITECTURES[facts["space"]]


def options_of(facts):
    return final_options(facts["space"], facts["options"])


def expected_probabilities(network, architecture, pixels):
    images = nn.Variable(pixels.shape)
    images.d = normalizer(3)(pixels)
    probabilities = F.softmax(network.build(images, architecture, layers.RUNNING).logits)
    probabilities.forward()
    return probabilities.d


def test_a_saved_network_answers_as_the_one_that_was_measured(trained, tmp_path):
    network, facts, architecture = trained
    write_nnp(tmp_path / "model.nnp", network, network.scope.all(), facts)
    rng = np.random.default_rng(1)  # colors and contrasts that differ more than noise does
    pixels = rng.integers(0, 128, (40, 3, 1, 1)) + rng.integers(1, 128, (40, 1, 1, 1)) * rng.random((40, *SHAPE))
    pixels = pixels.astype(np.uint8)
    probabilities = load_nnp(tmp_path / "model.nnp").probabilities(pixels)
    assert probabilities.shape == (40, 4)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(probabilities, expected_probabilities(network, architecture, pixels), rtol=1e-3, atol=1e-6)
    assert probabilities.std(axis=0).max() > 1e-3  # else this test could not fail
    alone = load_nnp(tmp_path / "model.nnp").probabilities(pixels[3:4])
    np.testing.assert_allclose(alone[0], probabilities[3], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("cell, normalized", [("darts", False), ("enas-old", False), ("enas-old", True)])
def test_a_saved_language_model_goes_on_by_one_word(tmp_path, cell, normalized):
    model, facts = make_language_model(cell, normalized)
    disturb_batch_normalization(model.scope)
    write_nnp(tmp_path / "model.nnp", model, model.scope.all(), facts)
    loaded = load_nnp(tmp_path / "model.nnp")
    assert loaded.facts["words"] == list(WORDS)
    network = loaded.graph.get_network("network", batch_size=3)
    word, start = np.array([[4], [2], [0]]), np.random.default_rng(0).normal(size=(3, model.size))
    network.inputs["word"].d, network.inputs["state"].d = word, start
    nn.forward_all([network.outputs["probabilities"], network.outputs["next_state"]])
    words, state = nn.Variable((1, 3)), nn.Variable((3, model.size))
    words.d, state.d = word.T, start
    hidden = model.hidden_states(words, state, architecture_of(facts))
    probabilities = F.softmax(model.logits(hidden))
    nn.forward_all([probabilities, hidden])
    np.testing.assert_allclose(network.outputs["next_state"].d, hidden.d[0], atol=1e-6)
    np.testing.assert_allclose(network.outputs["probabilities"].d, probabilities.d[0], atol=1e-6)
    assert np.ptp(probabilities.d[0], axis=0).max() > 1e-2


def disturb_batch_normalization(scope):
    for name, variable in scope.all().items():
        if "/bn/" in name:
            variable.d = np.random.default_rng(len(name)).uniform(0.5, 2, variable.shape)


def test_facts_of_a_language_model_are_checked(tmp_path):
    _, facts = make_language_model()
    write_facts(tmp_path, facts)
    assert read_facts(tmp_path) == json.loads(json.dumps(facts))
    for name, value in (("words", []), ("words", [1]), ("words", 3), ("space", "macro"), ("options", None), ("architecture", 1)):
        write_facts(tmp_path, {**facts, name: value})
        with pytest.raises(UserError, match=f"damaged .*{name}"):
            read_facts(tmp_path)


def test_the_same_weights_make_the_same_file(trained, tmp_path):
    network, facts, _ = trained
    for name in ("a.nnp", "b.nnp"):
        write_nnp(tmp_path / name, network, network.scope.all(), facts)
    assert (tmp_path / "a.nnp").read_bytes() == (tmp_path / "b.nnp").read_bytes()


def test_a_file_holds_the_weights_in_use_and_plain_functions(trained, tmp_path):
    network, facts, _ = trained
    network.scope.get("never/used", (3,), lambda rng, shape: np.zeros(shape))
    write_nnp(tmp_path / "model.nnp", network, network.scope.all(), facts)
    with zipfile.ZipFile(tmp_path / "model.nnp") as file:
        text = file.read("network.nntxt").decode()
        assert json.loads(file.read(FACTS)) == facts
    assert "never/used" not in text and "normalization/mean" in text
    assert "PythonFunction" not in text and 'type: "Convolution"' in text


def test_weights_and_facts_give_the_network_back(trained, tmp_path):
    network, facts, _ = trained
    save_parameters(tmp_path / "params_000001.h5", network.scope.all())
    write_facts(tmp_path, facts)
    build, path = SPACES[facts["space"]].final_network, tmp_path / "params_000001.h5"
    again = trained_network(build, read_facts(tmp_path), options_of(facts), path)
    for name, variable in network.scope.all().items():
        np.testing.assert_array_equal(again.scope.all()[name].d, variable.d)
    write_nnp(tmp_path / "a.nnp", network, network.scope.all(), facts)
    write_nnp(tmp_path / "b.nnp", again, again.scope.all(), facts)
    assert (tmp_path / "a.nnp").read_bytes() == (tmp_path / "b.nnp").read_bytes()


@pytest.mark.parametrize(
    "name, value",
    [
        ("mean", None), ("std", [0.1, 0.2]), ("std", [0.1, 0.2, "0.3"]), ("classes", []), ("classes", [1, 2]), ("options", 3),
        ("image_shape", "large"), ("image_shape", [3, 0, 8]), ("image_shape", [3, 8, 10**9]), ("image_shape", [2, 8, 8]),
        ("space", "cubic"), ("space", ["macro"]), ("architecture", 7),
    ],
)  # fmt: skip
def test_facts_that_no_retraining_writes_are_refused(tmp_path, name, value):
    facts = network_facts(ARCHITECTURES["micro"], {}, SHAPE, CLASSES, normalizer(3))
    write_facts(tmp_path, facts)
    read_facts(tmp_path)
    write_facts(tmp_path, {**facts, name: value})
    with pytest.raises(UserError, match=f"damaged .*{name}"):
        read_facts(tmp_path)


@pytest.mark.parametrize("change", ["classes", "filters", "architecture"])
def test_weights_of_another_network_are_refused(trained, tmp_path, change):
    network, facts, architecture = trained
    save_parameters(tmp_path / "params_000001.h5", network.scope.all())
    facts = json.loads(json.dumps(facts))
    if change == "classes":
        facts["classes"] = ["one"]
    elif change == "filters":
        facts["options"]["output_filter"] = 8
    else:
        space = macro.MacroSpace(7) if architecture.space == "macro" else micro.MicroSpace(3)
        facts["architecture"] = space.random(np.random.default_rng(8)).to_text()
    with pytest.raises(UserError, match="does not hold the parameters"):
        trained_network(SPACES[facts["space"]].final_network, facts, options_of(facts), tmp_path / "params_000001.h5")


def test_missing_and_damaged_facts_are_refused(tmp_path):
    with pytest.raises(UserError, match="copy it"):
        read_facts(tmp_path)
    for text in ("{", "[]", "3"):
        (tmp_path / FACTS).write_text(text)
        with pytest.raises(UserError, match="network.json"):
            read_facts(tmp_path)


@pytest.mark.parametrize("kind", ["missing", "text", "zip", "cut", "changed"])
def test_what_is_no_saved_network_is_refused(trained, tmp_path, kind):
    network, facts, _ = trained
    path = tmp_path / "model.nnp"
    if kind == "text":
        path.write_text("hello")
    elif kind == "zip":
        with zipfile.ZipFile(path, "w") as file:
            file.writestr("a", "b")
    elif kind != "missing":
        write_nnp(path, network, network.scope.all(), facts)
        data = bytearray(path.read_bytes())
        data[2000] ^= 255
        path.write_bytes(data[:-500] if kind == "cut" else data)
    with pytest.raises(UserError, match="cannot read .*model.nnp"):
        load_nnp(path)
