"""The controllers against the authors' golden data and against float64 NumPy."""

from pathlib import Path
from types import SimpleNamespace

import nnabla as nn
import numpy as np
import pytest

from errors import UserError
from models.controller import (
    Choices,
    MacroController,
    MicroController,
    lstm_step,
    shape_logits,
)
from models.parameters import ParameterScope, uniform
from models.recurrent_controllers import OldRecurrentController, RecurrentController, recurrent_controller
from search_spaces.macro import MacroSpace
from search_spaces.micro import MicroArchitecture, MicroSpace
from search_spaces.recurrent import RecurrentSpace
from tests import golden_weights

GOLDEN = Path(__file__).parent.parent / "golden"
NORMAL_BIAS = np.array([0.25, 0.25, -0.25, -0.25, -0.25])


def make_options(**changes):
    defaults = {
        "lstm_size": 8,
        "lstm_layers": 1,
        "temperature": None,
        "tanh_constant": 1.5,
        "op_tanh_reduce": 2.5,
        "op_prior": "authors",
        "skip_prob": 0.4,
        "skip_weight": 0.8,
    }
    return SimpleNamespace(**{**defaults, **changes})


def spread_weights(controller):
    """Weights far from 0, so that a wrong term shows in the result."""
    rng = np.random.default_rng(5)
    for variable in controller.parameters().values():
        variable.d = rng.uniform(-1.5, 1.5, variable.shape)


def make_controller(name, num_candidates=3, **changes):
    """A small controller of the space `name` with well spread weights."""
    controllers = {
        "macro": (MacroController, MacroSpace(4)),
        "micro": (MicroController, MicroSpace(3)),
        "recurrent": (RecurrentController, RecurrentSpace(4)),
        "old recurrent": (OldRecurrentController, RecurrentSpace(4, "old", num_functions=3)),
    }
    controller_class, space = controllers[name]
    scope = ParameterScope(3) / "controller"
    controller = controller_class(space, make_options(**changes), scope, num_candidates)
    spread_weights(controller)
    return controller


def noise_of(controller, seed=0, count=None):
    return controller.draw_noise(lambda i: np.random.default_rng([seed, i]), count)


# ---------------------------------------------------------------- an independent float64 computation


class Reference:
    """A policy in plain NumPy: takes the actions it is told and adds up what it says of them."""

    def __init__(self, weights, options):
        self.weights, self.options = weights, options
        self.log_p, self.entropy, self.sampled_entropy = 0.0, 0.0, 0.0
        self.c, self.h = ([np.zeros(options.lstm_size)] * options.lstm_layers for _ in range(2))

    def step(self, x):
        size = len(x)
        for layer in range(self.options.lstm_layers):
            gates = np.concatenate([x, self.h[layer]]) @ self.weights[f"lstm/layer_{layer}/W"]
            i, f, o = (1 / (1 + np.exp(-gates[k * size : (k + 1) * size])) for k in range(3))
            self.c[layer] = i * np.tanh(gates[3 * size :]) + f * self.c[layer]
            x = self.h[layer] = o * np.tanh(self.c[layer])
        return x

    def shape(self, logits, divisor=1):
        temperature, limit = self.options.temperature, self.options.tanh_constant
        logits = logits if temperature is None else logits / temperature
        return logits if limit is None else limit / divisor * np.tanh(logits)

    def attend(self, h, anchor_projections):
        keys = np.tanh(np.array(anchor_projections) + h @ self.weights["attention/W2"])
        return self.shape((keys @ self.weights["attention/v"])[:, 0])

    def take(self, logits, action):
        p = np.exp(logits) / np.exp(logits).sum()
        self.log_p += np.log(p[action])
        self.entropy -= (p * np.log(p)).sum()
        self.sampled_entropy -= p[action] * np.log(p[action])

    def project(self, h):
        return h @ self.weights["attention/W1"]


def macro_reference(weights, options, architecture):
    policy, target, penalties = Reference(weights, options), options.skip_prob, []
    start = x = weights["start"][0]
    anchors, numbers = [], iter(architecture.to_numbers())
    for layer in range(architecture.num_layers):
        operation = next(numbers)
        policy.take(policy.shape(policy.step(x) @ weights["operation/W"]), operation)
        h = policy.step(weights["embedding"][operation])
        x = start
        if layer > 0:
            logits = policy.attend(h, [policy.project(anchor) for anchor in anchors])
            bits = np.array([next(numbers) for _ in anchors])
            for logit, bit in zip(logits, bits, strict=True):
                policy.take(np.array([-logit, logit]), bit)
            s = 1 / (1 + np.exp(-np.array([-logits, logits])))
            penalties.append((s * np.log(s / np.array([[1 - target], [target]]))).sum())
            x = bits @ np.array(anchors) / (1 + bits.sum())
        anchors.append(h)
    return policy.log_p, policy.sampled_entropy, np.mean(penalties)


def micro_reference(weights, options, architecture):
    policy, start = Reference(weights, options), weights["start"][0]
    normal_bias = NORMAL_BIAS if options.op_prior == "authors" else 0
    for cell, fixed in zip(architecture.to_numbers(), (normal_bias, 0), strict=True):
        keys, anchors = [policy.project(policy.step(start)) for _ in range(2)], [0 * start] * 2
        for input_x, operation_x, input_y, operation_y in cell.reshape(-1, 4):
            x = start
            for index in (input_x, input_y):
                policy.take(policy.attend(policy.step(x), keys), index)
                x = anchors[index]
            for operation in (operation_x, operation_y):
                raw = policy.step(x) @ weights["operation/W"] + weights["operation/b"]
                policy.take(policy.shape(raw, options.op_tanh_reduce) + fixed, operation)
                x = weights["embedding"][operation]
            anchors.append(policy.step(x))
            keys.append(policy.project(anchors[-1]))
    return policy.log_p, policy.entropy, 0.0


def recurrent_reference(weights, options, architecture):
    policy, x = Reference(weights, options), weights["start"][0]
    anchors = [np.zeros_like(x)]
    for node, (previous, function) in enumerate(architecture.to_numbers().reshape(-1, 2), 1):
        h = policy.step(x)
        logits = policy.attend(h, [policy.project(anchor) for anchor in anchors])
        policy.take(logits - (node - np.arange(node)) ** 2 / 6, previous)
        h_function = policy.step(anchors[previous] / (0.1 + node - previous))
        policy.take(policy.shape(h_function @ weights["embedding"].T), function)
        x = weights["embedding"][function]
        anchors.append(h)
    return policy.log_p, policy.sampled_entropy, 0.0


def old_recurrent_reference(weights, options, architecture):
    """Node 0 chooses a function too, from a matrix that is not the embedding; what the LSTM makes of the start is its anchor."""
    policy, (first, *rest) = Reference(weights, options), architecture.to_numbers()
    anchors = [policy.step(weights["start"][0])]
    policy.take(policy.shape(policy.step(weights["start"][0]) @ weights["function/W"]), first)
    x = weights["embedding"][first]
    for node, (previous, function) in enumerate(np.reshape(rest, (-1, 2)), 1):
        h = policy.step(x)
        logits = policy.attend(h, [policy.project(anchor) for anchor in anchors])
        policy.take(logits - (node - np.arange(node)) ** 2 / 6, previous)
        h_function = policy.step(anchors[previous] / (0.1 + node - previous))
        policy.take(policy.shape(h_function @ weights["function/W"]), function)
        x = weights["embedding"][function]
        anchors.append(h)
    return policy.log_p, policy.sampled_entropy, 0.0


REFERENCES = {
    "macro": macro_reference,
    "micro": micro_reference,
    "recurrent": recurrent_reference,
    "old recurrent": old_recurrent_reference,
}
SETTINGS = [
    {},
    {"lstm_layers": 2, "temperature": 5.0, "tanh_constant": 2.25},
    {"lstm_layers": 2, "tanh_constant": None, "skip_weight": None, "op_prior": "none"},
]


def weights_of(controller):
    return {
        name.removeprefix("controller/"): variable.d.astype(np.float64)
        for name, variable in controller.parameters().items()
    }


@pytest.mark.parametrize("name", REFERENCES)
@pytest.mark.parametrize("changes", SETTINGS)
def test_forward_equals_numpy(name, changes):
    controller = make_controller(name, **changes)
    sample = controller.sample(noise_of(controller))
    for row, architecture in enumerate(sample.architectures):
        expected = REFERENCES[name](weights_of(controller), controller.options, architecture)
        found = sample.log_probability[row], sample.entropy[row], sample.skip_penalty[row]
        np.testing.assert_allclose(found, expected, rtol=2e-6)


@pytest.mark.parametrize("name", REFERENCES)
@pytest.mark.parametrize("changes", SETTINGS)
def test_gradient_equals_numpy_differences(name, changes):
    """Per parameter the derivative along one random direction, so that each is checked whole."""
    controller = make_controller(name, **changes)
    options, noise = controller.options, noise_of(controller)
    architectures, advantage = controller.sample(noise).architectures, np.array([0.7, -0.4, 1.3])
    controller.backward(noise, advantage)
    weights, rng, step = weights_of(controller), np.random.default_rng(1), 1e-5

    def loss():
        results = [REFERENCES[name](weights, options, architecture) for architecture in architectures]
        penalty = (options.skip_weight or 0) * np.mean([result[2] for result in results])
        return np.mean([-a * result[0] for a, result in zip(advantage, results, strict=True)]) + penalty

    for full_name, variable in controller.parameters().items():
        key, direction = full_name.removeprefix("controller/"), rng.standard_normal(variable.shape)
        original, values = weights[key], []
        for sign in (1, -1):
            weights[key] = original + sign * step * direction
            values.append(loss())
        weights[key] = original
        found, expected = (variable.g * direction).sum(), (values[0] - values[1]) / (2 * step)
        np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(variable.g).max(), err_msg=key)


def test_without_the_authors_prior_the_operations_start_about_equally_likely():
    """With it the two separable convolutions have more than half of the probability from the start."""
    shares = {}
    for prior in ("authors", "none"):
        controller = MicroController(MicroSpace(3), make_options(op_prior=prior), ParameterScope(3) / "controller", 500)
        numbers = [architecture.to_numbers()[:, 1::2] for architecture in controller.sample(noise_of(controller)).architectures]
        shares[prior] = np.bincount(np.ravel(numbers), minlength=5) / np.size(numbers)
    assert shares["authors"][:2].sum() > 0.5
    np.testing.assert_allclose(shares["none"], 0.2, atol=0.04)


# ---------------------------------------------------------------- the authors' numbers


def golden_macro(skip_weight=None):
    npz = np.load(GOLDEN / "controller_macro.npz")
    embedding = npz["var/controller/emb/w:0"]
    options = make_options(
        lstm_size=embedding.shape[1],
        tanh_constant=float(npz["tanh_constant"]),
        skip_prob=float(npz["skip_target"]),
        skip_weight=skip_weight,
    )
    space = MacroSpace(int(npz["num_layers"]), int(npz["num_branches"]))
    controller = MacroController(space, options, ParameterScope() / "controller", 5)
    golden_weights.load_authors_controller(controller.scope, golden_weights.macro_controller_arrays(npz))
    return npz, controller


def golden_micro():
    npz = np.load(GOLDEN / "controller_micro.npz")
    num_ops, size = npz["var/controller/emb/w:0"].shape
    options = make_options(
        lstm_size=size,
        tanh_constant=float(npz["tanh_constant"]),
        op_tanh_reduce=float(npz["op_tanh_reduce"]),
    )
    space = MicroSpace(len(npz["sample0_arc_normal"]) // 4, num_ops)
    controller = MicroController(space, options, ParameterScope() / "controller", 5)
    golden_weights.load_authors_controller(controller.scope, golden_weights.micro_controller_arrays(npz))
    return npz, controller


def relative_difference(found, expected):
    return np.abs(found - expected).max() / np.abs(expected).max()


def gradients(controller, architecture, advantage):
    noise = controller.forcing_noise([architecture])
    controller.backward(noise, np.array([advantage]))
    return {name.removeprefix("controller/"): value.g for name, value in controller.parameters().items()}


def test_macro_equals_the_authors_code():
    npz, controller = golden_macro()
    arcs = [npz[f"sample{k}_arc"] for k in range(5)]
    architectures = [golden_weights.macro_architecture(arc, controller.space.num_ops) for arc in arcs]
    sample = controller.sample(controller.forcing_noise(architectures))
    for k in range(5):
        assert relative_difference(-sample.log_probability[k], npz[f"sample{k}_log_prob_sum"]) < 1e-6
        assert relative_difference(sample.entropy[k], npz[f"sample{k}_entropy"]) < 1e-6
        assert relative_difference(sample.skip_penalty[k], npz[f"sample{k}_skip_penalty"]) < 1e-6
        assert sum(map(sum, architectures[k].skips)) == npz[f"sample{k}_skip_count"]


@pytest.mark.parametrize(
    ("skip_weight", "advantage", "prefix"),
    [(None, 1.0, "sample0_grad_log_prob/"), (1.0, 0.0, "sample0_grad_skip_penalty/")],
)
def test_macro_gradients_equal_the_authors_code(skip_weight, advantage, prefix):
    npz, controller = golden_macro(skip_weight)
    architecture = golden_weights.macro_architecture(npz["sample0_arc"], controller.space.num_ops)
    found = gradients(controller, architecture, advantage)
    expected = golden_weights.macro_controller_arrays(npz, prefix)
    assert set(expected) == set(found)
    for name, gradient in expected.items():
        assert np.abs(found[name] - gradient).max() <= 1e-5 * np.abs(gradient).max(), name


def test_micro_equals_the_authors_code():
    npz, controller = golden_micro()
    rows = [np.stack([npz[f"sample{k}_arc_normal"], npz[f"sample{k}_arc_reduce"]]) for k in range(5)]
    sample = controller.sample(controller.forcing_noise([MicroArchitecture.from_numbers(numbers) for numbers in rows]))
    for k in range(5):
        assert relative_difference(-sample.log_probability[k], npz[f"sample{k}_log_prob_sum"]) < 1e-6
        assert relative_difference(sample.entropy[k], npz[f"sample{k}_entropy"]) < 1e-6


def test_micro_gradients_equal_the_authors_code():
    npz, controller = golden_micro()
    numbers = np.stack([npz["sample0_arc_normal"], npz["sample0_arc_reduce"]])
    found = gradients(controller, MicroArchitecture.from_numbers(numbers), 1.0)
    expected = golden_weights.micro_controller_arrays(npz, "sample0_grad_log_prob/")
    assert set(expected) == set(found)
    for name, gradient in expected.items():
        assert relative_difference(found[name], gradient) < 1e-5, name


@pytest.mark.parametrize(("form", "largest"), [("new", 0.01), ("old", 0.1)])
def test_initial_values_of_the_two_recurrent_controllers(form, largest):
    scope = ParameterScope(1)
    controller = recurrent_controller(RecurrentSpace(5, form), make_options(lstm_size=64), scope, 1)
    for name, array in scope.arrays().items():
        assert 0.8 * largest < np.abs(array).max() <= largest, name
    assert ("function/W" in scope.arrays()) == (form == "old")
    assert dict(controller.adam) == {
        "new": {"beta1": 0.9, "beta2": 0.999, "eps": 1e-8}, "old": {"beta1": 0.0, "beta2": 0.999, "eps": 1e-3},
    }[form]  # fmt: skip


# ---------------------------------------------------------------- sampling


@pytest.mark.parametrize("name", REFERENCES)
def test_sample_and_evaluation_agree(name):
    controller = make_controller(name)
    sample = controller.sample(noise_of(controller))
    again = controller.sample(controller.forcing_noise(sample.architectures))
    assert again.architectures == sample.architectures
    np.testing.assert_array_equal(again.log_probability, sample.log_probability)
    np.testing.assert_array_equal(again.entropy, sample.entropy)
    np.testing.assert_array_equal(again.skip_penalty, sample.skip_penalty)


@pytest.mark.parametrize("name", REFERENCES)
def test_a_candidate_depends_on_its_own_generator_alone(name):
    controller = make_controller(name, num_candidates=3)
    whole = controller.sample(noise_of(controller, count=7))  # three batches, the last one padded
    part = controller.sample(controller.draw_noise(lambda i: np.random.default_rng([0, 5 + i]), 2))
    assert len(whole.architectures) == 7 and len(set(whole.architectures)) > 1
    assert part.architectures == whole.architectures[5:]
    np.testing.assert_allclose(part.log_probability, whole.log_probability[5:], rtol=1e-6)


@pytest.mark.parametrize("name", REFERENCES)
def test_gradients_of_parts_add_up_to_the_whole(name):
    controller, advantage = make_controller(name, num_candidates=2), np.array([0.5, -1.0, 2.0, 0.3, 0.1])
    noise = noise_of(controller, count=5)
    loss = controller.backward(noise, advantage)
    whole = {key: variable.g.copy() for key, variable in controller.parameters().items()}
    parts = []
    for rows in (slice(0, 1), slice(1, 5)):
        loss -= controller.backward(noise[rows], advantage[rows], count=5)
        parts.append({key: variable.g.copy() for key, variable in controller.parameters().items()})
    assert abs(loss) < 1e-5
    for key, gradient in whole.items():
        both = parts[0][key] + parts[1][key]
        np.testing.assert_allclose(both, gradient, atol=1e-5 * np.abs(gradient).max())


@pytest.mark.parametrize("name", REFERENCES)
def test_every_parameter_gets_a_gradient(name):
    controller = make_controller(name, lstm_layers=2)
    controller.backward(noise_of(controller), np.array([1.0, -0.5, 0.2]))
    for key, variable in controller.parameters().items():
        assert np.abs(variable.g).max() > 1e-6, key


def test_micro_input_choices_reach_the_attention():
    """The NNabla example drew inputs from a softmax over one class: their logits never moved."""
    controller = make_controller("micro")
    controller.backward(noise_of(controller), np.array([1.0, 0.0, 0.0]))
    gradient = controller.parameters()["controller/attention/v"].g
    assert np.abs(gradient).min() > 0


@pytest.mark.parametrize(("controller_of", "space"), [
    (MacroController, MacroSpace(4, operations=("conv5x5", "average_pool3x3"))),
    (MicroController, MicroSpace(3, operations=("sepconv5x5", "max_pool3x3", "identity"))),
])
def test_operations_by_name(controller_of, space):
    """All of them are drawn and no other, and an architecture is told as likely as it was when drawn."""
    controller = controller_of(space, make_options(op_prior="none"), ParameterScope(3), 32)
    sample = controller.sample(noise_of(controller))
    for architecture in sample.architectures:
        space.contains(architecture)
    told = " ".join(architecture.describe() for architecture in sample.architectures)
    assert all(name in told for name in space.operations)
    again = controller.sample(controller.forcing_noise(sample.architectures))
    assert again.architectures == sample.architectures
    np.testing.assert_array_equal(again.log_probability, sample.log_probability)


def test_the_authors_preference_goes_by_name():
    """Separable convolutions begin ten nats ahead, wherever they stand among those that may be chosen."""
    space = MicroSpace(2, operations=("average_pool3x3", "sepconv5x5"))
    controller = MicroController(space, make_options(), ParameterScope(0), 1)
    assert controller.scope.all()["operation/b"].d.tolist() == [0.0, 10.0]


@pytest.mark.parametrize(("name", "num_ops"), [("macro", 4), ("micro", 2)])
def test_fewer_operations(name, num_ops):
    macro, micro = (MacroController, MacroSpace(4, num_ops)), (MicroController, MicroSpace(3, num_ops))
    controller_class, space = {"macro": macro, "micro": micro}[name]
    controller = controller_class(space, make_options(), ParameterScope(3), 10)
    sample = controller.sample(noise_of(controller))
    for architecture in sample.architectures:
        space.contains(architecture)
    again = controller.sample(controller.forcing_noise(sample.architectures))
    np.testing.assert_array_equal(again.log_probability, sample.log_probability)


def test_evaluating_an_architecture_of_another_space_is_refused():
    controller = make_controller("macro")
    with pytest.raises(UserError, match="5 layers .*expected 4"):
        controller.sample(controller.forcing_noise([MacroSpace(5).random(np.random.default_rng(0))]))


def test_authors_initial_values():
    scope = ParameterScope(1)
    MicroController(MicroSpace(5), make_options(lstm_size=64), scope, 1)
    arrays = scope.arrays()
    np.testing.assert_array_equal(arrays.pop("operation/b"), [10, 10, 0, 0, 0])
    for name, array in arrays.items():
        assert 0.08 < np.abs(array).max() <= 0.1, name


# ---------------------------------------------------------------- primitives


def test_draws_follow_the_softmax():
    logits = np.log([0.1, 0.2, 0.7])
    noise = nn.Variable.from_numpy_array(np.random.default_rng(0).gumbel(size=(20000, 3)))
    choices = Choices(noise)
    choices.draw(nn.Variable.from_numpy_array(np.tile(logits, (20000, 1, 1)))).forward()
    frequencies = np.bincount(choices.indices().d.astype(int).ravel()) / 20000
    np.testing.assert_allclose(frequencies, [0.1, 0.2, 0.7], atol=0.012)  # over 3.5 standard errors


def test_choices_add_up_over_widths():
    logits = [np.log([[[0.5, 0.5], [0.25, 0.75]]]), np.log([[[0.2, 0.3, 0.5]]])]
    noise = np.array([[0, 9, 9, 0, 0, 0, 9.0]])
    choices = Choices(nn.Variable.from_numpy_array(noise))
    for array in logits:
        choices.draw(nn.Variable.from_numpy_array(array))
    outputs = [choices.indices(), choices.log_probability(), choices.entropy(), choices.sampled_entropy()]
    nn.forward_all(outputs)
    p, taken = [np.exp(array).reshape(-1) for array in logits], np.array([0.5, 0.25, 0.5])
    np.testing.assert_array_equal(outputs[0].d, [[1, 0, 2]])
    np.testing.assert_allclose(outputs[1].d, [np.log(taken).sum()], rtol=1e-6)
    np.testing.assert_allclose(outputs[2].d, [-sum((q * np.log(q)).sum() for q in p)], rtol=1e-6)
    np.testing.assert_allclose(outputs[3].d, [-(taken * np.log(taken)).sum()], rtol=1e-6)


@pytest.mark.parametrize(
    ("temperature", "limit", "expected"),
    [(None, 2.5, 2.5 * np.tanh(3)), (2.0, None, 1.5), (2.0, 2.5, 2.5 * np.tanh(1.5))],
)
def test_shape_logits(temperature, limit, expected):
    shaped = shape_logits(nn.Variable.from_numpy_array(np.array([3.0])), temperature, limit)
    shaped.forward()
    np.testing.assert_allclose(shaped.d, [expected], rtol=1e-6)


def test_lstm_step_has_one_matrix_per_layer():
    scope, x = ParameterScope(0), nn.Variable.from_numpy_array(np.ones((2, 4)))
    state = [(nn.Variable((2, 4)), nn.Variable((2, 4)))] * 2
    new_state = lstm_step(scope, x, state, uniform(0.1))
    assert {name: variable.shape for name, variable in scope.all().items()} == {
        "lstm/layer_0/W": (8, 16),
        "lstm/layer_1/W": (8, 16),
    }
    assert [h.shape for _, h in new_state] == [(2, 4)] * 2
