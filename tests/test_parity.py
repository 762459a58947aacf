"""The parity command holds on every golden file and fails on what is wrong."""

import subprocess
import sys
from pathlib import Path
from unittest import mock

import nnabla.functions as F
import numpy as np
import pytest

from errors import UserError
from models import layers
from tests import parity
from tests.authors import images, micro
from tests.forms import compare_file

GOLDEN = Path(__file__).parent / "golden"
FILES = sorted(path for path in GOLDEN.glob("*.npz") if not parity.is_gradient_file(path))
SLOW_GRADIENTS = ("micro_fixed_rand0", "micro_fixed_final_arc")


def golden(name):
    return parity.load(GOLDEN / f"{name}.npz")


def without_gradients(arrays):
    return parity.GoldenArrays((name, array) for name, array in arrays.items() if not name.startswith("grad"))


def changed(arrays, name, array):
    return parity.GoldenArrays(arrays | {name: array})


def differences(arrays):
    return dict(compare_file(arrays))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_golden_file(path):
    arrays = parity.load(path)
    if path.stem in SLOW_GRADIENTS:
        arrays = without_gradients(arrays)
    too_large = {quantity: value for quantity, value in compare_file(arrays) if not value <= parity.TOLERANCE}
    assert too_large == {}


@pytest.mark.slow
@pytest.mark.parametrize("name", SLOW_GRADIENTS)
def test_gradients_of_a_micro_network(name):
    (value,) = (value for quantity, value in compare_file(golden(name)) if quantity.startswith("gradients"))
    assert value <= parity.TOLERANCE


def test_gradients_of_one_of_several_architectures_in_a_file_of_their_own(tmp_path):
    """Ours take the place of the authors', in their layout: a row per input."""
    arrays = golden("micro_search")
    theirs = {name.replace("var/", "grad/"): np.zeros_like(array) for name, array in arrays.items() if name.startswith("var/")}
    places = micro.split_rows({name: np.arange(array.size).reshape(array.shape) for name, array in theirs.items()})
    owners = micro.split_rows({name: np.full(array.shape, name) for name, array in theirs.items()})

    def give_ours(arrays, parameters, outputs, translator, case):
        loss, _ = images._losses(outputs, arrays["labels"])
        loss.forward()
        loss.backward()
        for name, parameter in parameters.items():
            owner = translator.find(owners, name, "grad/").flat[0]
            theirs[owner].flat[translator.find(places, name, "grad/")] = parameter.g
        return []

    with mock.patch.object(images, "_compare_gradients", give_ours):
        differences(changed(arrays, "grad_arc0/", np.zeros(0)))
    np.savez(tmp_path / "micro_search.npz", **arrays)
    np.savez(tmp_path / "micro_search_grads_arc0.npz", **theirs)
    found = differences(parity.load(tmp_path / "micro_search.npz"))
    (quantity,) = (quantity for quantity in found if "gradients" in quantity)
    assert quantity.startswith("arc0_gradients of ") and found[quantity] < 1e-6
    theirs["grad/child/layer_1/final_conv/w:0"] *= 1.01
    np.savez(tmp_path / "micro_search_grads_arc0.npz", **theirs)
    assert differences(parity.load(tmp_path / "micro_search.npz"))[quantity] > parity.TOLERANCE


def test_a_wrong_gradient_is_not_explained_away():
    arrays = golden("macro_fixed_rand0")
    for name in ("grad/child/stem_conv/w:0", "grad/child/layer_7/skip/bn/scale:0", "grad/child/fc/w:0"):
        found = differences(changed(arrays, name, arrays[name] * 1.01))
        assert [quantity.split(",")[0] for quantity, value in found.items() if value > parity.TOLERANCE] == [
            "gradients of 161 parameters"
        ]


def test_a_network_without_a_skip_connection_fails():
    arrays = golden("macro_search_lambda_fixed")
    arc = arrays["arc0"].copy()
    (first, *_) = [index for index in range(2, len(arc)) if arc[index] == 1 and index not in operations(12)]
    arc[first] = 0
    assert_fails(changed(arrays, "arc0", arc), "arc0_logits_eval", "arc0_logits_train", "arc0_gradients")


def operations(num_layers):
    """Where in a flat architecture the operations are."""
    return [layer * (layer + 1) // 2 for layer in range(num_layers)]


@pytest.fixture
def no_paddings_kept():
    """What layers looked up before a test, and what it looks up itself, is computed anew."""
    kept = (layers._pads, layers._same_padding)
    for function in kept:
        function.cache_clear()
    yield
    for function in kept:
        function.cache_clear()


def test_a_network_padded_otherwise_fails(no_paddings_kept):
    with mock.patch.object(layers, "_padding", lambda length, kernel, stride: _swapped(length, kernel, stride)):
        assert_fails(without_gradients(golden("micro_fixed_rand0")), "logits_eval", "logits_train")


_padding = layers._padding


def _swapped(length, kernel, stride):
    """The odd row above instead of below."""
    return _padding(length, kernel, stride)[::-1]


def test_a_slightly_leaky_relu_fails():
    with mock.patch.object(F, "relu", lambda x, inplace=False: F.leaky_relu(x, 0.001)):
        assert_fails(golden("macro_fixed_rand0"), "logits_train", "gradients")


def test_running_statistics_that_take_the_biased_variance_fail():
    arrays = golden("macro_fixed_rand0")
    name = "after1/child/layer_9/skip/bn/moving_variance:0"
    assert_fails(changed(arrays, name, arrays[name] * (1 - 1 / 512)), "statistics")


def assert_fails(arrays, *quantities):
    found = differences(arrays)
    for quantity in quantities:
        assert any(name.startswith(quantity) and value > parity.TOLERANCE for name, value in found.items()), quantity


def run(*arguments):
    """(exit status, standard output, standard error) of the command in this process, kernels put back after it."""
    with mock.patch.object(sys, "argv", ["parity", *map(str, arguments)]), layers.plain():
        return parity.main()


def test_status_0_and_the_largest_difference(capsys):
    assert run(GOLDEN / "adam_toy.npz", GOLDEN / "macro_fixed_rand0_grads.npz", GOLDEN / "macro_fixed_rand0.npz") == 0
    output = capsys.readouterr().out
    assert output.count("macro_fixed_rand0") == 1  # read once, with its gradients
    assert "largest relative difference" in output.splitlines()[-1]


def test_status_1_for_a_perturbed_copy(tmp_path, capsys):
    arrays = golden("macro_search_lambda_fixed")
    arrays["var/child/layer_1/skip/bn/scale:0"] = arrays["var/child/layer_1/skip/bn/scale:0"] * 1.001
    np.savez(tmp_path / "perturbed.npz", **arrays)
    assert run(tmp_path / "perturbed.npz") == 1
    assert "<- too large" in capsys.readouterr().out


def test_status_2_and_one_line(tmp_path):
    (tmp_path / "text.npz").write_text("no archive")
    command = [sys.executable, "-m", "tests.parity", str(tmp_path / "text.npz")]
    result = subprocess.run(command, capture_output=True, text=True, cwd=GOLDEN.parent.parent)
    assert result.returncode == 2
    assert len(result.stderr.splitlines()) == 1 and "text.npz" in result.stderr


def test_a_file_that_cannot_be_read(tmp_path):
    whole = (GOLDEN / "adam_toy.npz").read_bytes()
    for name, content in (("empty", b""), ("cut", whole[:500]), ("text", b"text")):
        (tmp_path / f"{name}.npz").write_bytes(content)
    damaged = bytearray(whole)
    damaged[60] ^= 0xFF
    (tmp_path / "damaged.npz").write_bytes(damaged)
    np.save(tmp_path / "array.npy", np.zeros(3))
    np.savez(tmp_path / "objects.npz", w=np.array([None]), tgt=np.zeros(2))
    for name in ("empty.npz", "cut.npz", "text.npz", "damaged.npz", "array.npy", "objects.npz", "missing.npz"):
        with pytest.raises(UserError, match=f"cannot read .*{name}"):
            parity.load(tmp_path / name)


def test_an_unknown_form():
    with pytest.raises(UserError, match="not a known form of golden data"):
        compare_file({"weights": np.zeros(3)})


def test_a_file_that_lacks_an_array():
    arrays = golden("macro_search_lambda_fixed")
    del arrays["var/child/stem_conv/w:0"]
    with pytest.raises(UserError, match="lack the array var/child/stem_conv/w:0"):
        differences(arrays)


def test_a_file_whose_arrays_have_other_shapes():
    arrays = golden("macro_search_lambda_fixed")
    with pytest.raises(UserError, match=r"stem/bn/beta has the shape \(1, 3, 1, 1\) in the file, \(1, 8, 1, 1\) in our network"):
        differences(changed(arrays, "var/child/stem_conv/bn/offset:0", np.zeros(3)))
