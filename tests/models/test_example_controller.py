"""The controller of NNabla's example, read from a file as its `nn.save_parameters` leaves it."""

from types import SimpleNamespace

import h5py
import nnabla as nn
import nnabla.functions as F
import nnabla.parametric_functions as PF
import numpy as np
import pytest

import args
import macro_search
import micro_search
from errors import UserError
from models.controller import MacroController
from models.example_controller import ExampleController, is_example
from models.parameters import ParameterScope
from runs.sampling import searched_options
from search_spaces.macro import MacroSpace

SIZE, OPS, LAYERS = 8, 4, 3


def write_example(path, embedding=True, ops=OPS, size=SIZE, more=()):
    """Two LSTM layers and the rest under names that nothing relies on, all with a bias; weights of a child network besides."""
    nn.clear_parameters()
    x, state = F.constant(0, (1, size)), [(F.constant(0, (1, size)),) * 2 for _ in range(2)]
    for layer, (h, c) in enumerate(state):
        with nn.parameter_scope("controller_lstm"), nn.parameter_scope(str(layer)):
            PF.lstm_cell(x, h, c, size)
    matrices = ("a_head", (size, ops)), ("z_keys", (size, size)), ("b_query", (size, size)), ("score", (size, 1))
    for name, shape in (*matrices, *more):
        nn.parameter.get_parameter_or_create(f"{name}/affine/W", shape)
        nn.parameter.get_parameter_or_create(f"{name}/affine/b", shape[1:])
    if embedding:
        nn.parameter.get_parameter_or_create("table/embed/W", (ops, size))
    nn.parameter.get_parameter_or_create("child/conv/W", (size, size, 3, 3))
    nn.parameter.get_parameter_or_create("child/affine/W", (36, 10))
    rng, parameters = np.random.default_rng(0), nn.get_parameters(grad_only=False)
    for variable in parameters.values():
        variable.d = rng.normal(scale=0.7, size=variable.shape)
    values = {name: variable.d.copy() for name, variable in parameters.items()}
    nn.save_parameters(str(path))
    nn.clear_parameters()
    return values


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


class Reference:
    """The macro policy in float64 on the example's arrays, as they lie in the file."""

    def __init__(self, values, start):
        self.values, self.start = {name: value.astype(float) for name, value in values.items()}, start
        self.state = [(np.zeros(SIZE), np.zeros(SIZE))] * 2

    def affine(self, name, x):
        return x @ self.values[f"{name}/affine/W"] + self.values[f"{name}/affine/b"]

    def step(self, x):
        for layer, (c, h) in enumerate(self.state):
            scope = f"controller_lstm/{layer}/lstm/affine"
            gates = np.tensordot(np.concatenate([x, h]), self.values[f"{scope}/W"], 1) + self.values[f"{scope}/b"]
            i, o, f = sigmoid(gates[:3])  # as nnabla.parametric_functions.lstm_cell
            c = f * c + i * np.tanh(gates[3])
            self.state[layer], x = (c, o * np.tanh(c)), o * np.tanh(c)
        return x

    def log_probability(self, architecture, operations):
        total, x, anchors = 0.0, self.start, []
        for operation, skips in zip(architecture.operations, architecture.skips, strict=True):
            logits = 1.5 * np.tanh(self.affine("a_head", self.step(x)))
            number = operations.index(operation)
            total += logits[number] - np.log(np.exp(logits).sum())
            h, x = self.step(self.values["table/embed/W"][number]), self.start
            if skips:
                keys = self.affine("z_keys", np.array(anchors)) + self.affine("b_query", h)
                scores = 1.5 * np.tanh(self.affine("score", np.tanh(keys))[:, 0])
                total += np.log(sigmoid(np.where(skips, 2, -2) * scores)).sum()
                x = np.array(skips) @ np.array(anchors) / (1 + sum(skips))
            anchors.append(h)
        return total


@pytest.fixture
def file(tmp_path):
    return tmp_path / "controller_params.h5"


def test_the_policy_is_that_of_the_files_arrays(file):
    values = write_example(file)
    example, space = ExampleController(file, 6), MacroSpace(LAYERS, OPS)
    assert (example.lstm_size, example.lstm_layers, example.num_ops) == (SIZE, 2, OPS) and is_example(file)
    options = SimpleNamespace(lstm_size=SIZE, lstm_layers=2, temperature=None, tanh_constant=1.5, skip_prob=0.8, biased=True)
    controller = MacroController(space, options, ParameterScope(), 5)
    assert example.fill(controller.parameters()) == ["start"]
    architectures = [space.random(np.random.default_rng(seed)) for seed in range(5)]
    start = controller.parameters()["start"].d[0].astype(float)
    expected = [Reference(values, start).log_probability(a, space.operations) for a in architectures]
    np.testing.assert_allclose(controller.sample(controller.forcing_noise(architectures)).log_probability, expected, rtol=1e-5)


@pytest.mark.parametrize("more, ops, message", [
    ((("other", (SIZE, SIZE)),), OPS, r"3 arrays \(8, 8\) in it, not 2"),
    ((), 7, r"no logits of 2 to 6 operations"),
    ((("again", (SIZE, OPS)),), OPS, r"2 arrays \(8, 4\) in it, not 1"),
])  # fmt: skip
def test_a_file_of_another_form_is_refused(file, more, ops, message):
    write_example(file, ops=ops, more=more)
    with pytest.raises(UserError, match=message):
        ExampleController(file, 6)


def test_what_is_not_finite_is_refused(file):
    write_example(file)
    with h5py.File(file, "r+") as opened:
        opened["score/affine/W"][...] = np.nan
    with pytest.raises(UserError, match="score/affine/W has numbers that are not finite"):
        ExampleController(file, 6)


@pytest.mark.parametrize("script, folder, ops, embedding, lines", [
    (macro_search, "tmp.macro_monitor", OPS, True, ["never saved its start vectors"]),
    (micro_search, "tmp.micro_monitor", 5, False, ["never saved its start vectors", "hardly better than chance"]),
])  # fmt: skip
def test_sampling_from_a_folder_of_the_example(script, folder, ops, embedding, lines, tmp_path, monkeypatch, capsys):
    (tmp_path / folder).mkdir()
    write_example(tmp_path / folder / "controller_params.h5", embedding, ops)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["x", "--sampling-only", "True", "--num-sampling", "3"])
    assert script.main() == 0
    printed = capsys.readouterr().out.splitlines()
    assert all(line in text for line, text in zip(lines, printed, strict=False)) and len(printed) == len(lines) + 3
    sizes = {np.load(path).shape for path in tmp_path.glob("sampled_*.npy")}
    assert sizes == {(78,) if script is macro_search else (2, 20)}


@pytest.mark.parametrize("words, message", [
    ("--lstm-size 16", "--lstm-size is 16, but .* has 8; leave the option out"),
    ("--num-ops 6", "--num-ops is 6, but .* has 4"),
    ("--ops conv3x3,conv5x5", "--ops names 2 operations, but the controller in .* chooses among 4; name as many"),
])  # fmt: skip
def test_sizes_that_contradict_the_file_are_refused(words, message, file, monkeypatch):
    write_example(file)
    with pytest.raises(UserError, match=message):
        searched_options(args.parse("macro", "search", ["--sampling-only", "-m", str(file.parent), *words.split()]))
