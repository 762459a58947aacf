"""The policy gradient: its arithmetic, its sign, its checkpoint."""

from pathlib import Path
from types import SimpleNamespace

import nnabla as nn
import numpy as np
import pytest

from models.controller import MacroController, MicroController
from models.parameters import ParameterScope
from models.recurrent_controllers import OldRecurrentController, RecurrentController
from search_spaces.macro import MacroSpace
from search_spaces.micro import MicroSpace
from search_spaces.recurrent import RecurrentSpace
from training.divergence import Diverged
from training.reinforce import Baseline, Reinforce

GOLDEN = Path(__file__).parent.parent / "golden"
CONTROLLERS = {
    "macro": (MacroController, MacroSpace(3)),
    "micro": (MicroController, MicroSpace(2)),
    "recurrent": (RecurrentController, RecurrentSpace(3)),
    "old recurrent": (OldRecurrentController, RecurrentSpace(3, "old")),
}


def make_controller(name, seed=0, num_candidates=8):
    options = SimpleNamespace(
        lstm_size=8,
        lstm_layers=1,
        temperature=None,
        tanh_constant=2.5,
        op_tanh_reduce=1.0,
        op_prior="authors",
        skip_prob=0.4,
        skip_weight=None,
    )
    controller_class, space = CONTROLLERS[name]
    return controller_class(space, options, ParameterScope(seed) / "controller", num_candidates)


def noise_of(controller, step):
    return controller.draw_noise(lambda i: np.random.default_rng([7, step, i]))


def learn(controller, reinforce, reward, steps, first=0):
    """`steps` updates with `reward(architecture)`, the candidates' noise numbered from step `first`."""
    for step in range(first, first + steps):
        noise = noise_of(controller, step)
        sample = controller.sample(noise)
        reinforce.update(sample, noise, [reward(architecture) for architecture in sample.architectures])


def test_baseline_is_updated_before_the_advantage_is_taken():
    baseline = Baseline(0.9)
    np.testing.assert_allclose(baseline.advantages([1.0, 0.5]), [0.9, 0.5 - 0.14])
    np.testing.assert_allclose(baseline.value, 0.14)
    np.testing.assert_allclose(baseline.advantages([0.14]), [0.0], atol=1e-12)


@pytest.mark.parametrize("reward", [np.nan, np.inf])
def test_a_reward_that_is_not_finite_moves_nothing(reward):
    controller = make_controller("macro", num_candidates=2)
    reinforce = Reinforce(controller, 0.01, 0.9)
    noise = noise_of(controller, 0)
    with pytest.raises(Diverged, match="reward of the controller's update was not finite"):
        reinforce.update(controller.sample(noise), noise, [0.5, reward])
    assert reinforce.baseline.value == 0
    fresh = make_controller("macro", num_candidates=2).scope.arrays()
    for name, array in controller.scope.arrays().items():
        np.testing.assert_array_equal(array, fresh[name], name)


class QuadraticLoss:
    """Stands for a controller whose loss is sum(target w^2 / 2)."""

    adam = MacroController.adam

    def __init__(self, w, target):
        self.w, self.target = nn.Variable.from_numpy_array(w, need_grad=True), target

    def parameters(self):
        return {"w": self.w}

    def backward(self, noise, advantage, count):
        self.w.g = self.target * self.w.d
        return 0.0


def test_adam_equals_the_authors():
    npz = np.load(GOLDEN / "adam_toy.npz")
    toy = QuadraticLoss(npz["w"][0], npz["tgt"])
    reinforce = Reinforce(toy, float(npz["lr"]), 0.99)
    for expected in npz["w"][1:]:
        reinforce.update(SimpleNamespace(entropy=np.zeros(1)), np.zeros((1, 0)), [0.0])
        np.testing.assert_allclose(toy.w.d, expected, rtol=3e-6)


def test_momentum_with_weight_decay():
    """NNabla's example: m = 0.9 m + rate (g + decay w); w -= m, in float64."""
    weight, target, moment = np.array([1.0, -2.0, 3.0]), np.array([0.5, 1.0, -0.2]), np.zeros(3)
    toy = QuadraticLoss(weight.astype(np.float32), target)
    reinforce = Reinforce(toy, 0.1, 0.99, optimizer="momentum", weight_decay=0.025)
    for _ in range(5):
        reinforce.update(SimpleNamespace(entropy=np.zeros(1)), np.zeros((1, 0)), [0.0])
        moment = 0.9 * moment + 0.1 * (target * weight + 0.025 * weight)
        weight = weight - moment
        np.testing.assert_allclose(toy.w.d, weight, rtol=1e-5)


def test_weight_decay_is_added_to_the_gradient_of_adam_too():
    toys = [QuadraticLoss(np.float32([1.0, -2.0]), target) for target in (0.5, 0.3)]
    for toy, decay in zip(toys, (0.0, 0.2), strict=True):
        reinforce = Reinforce(toy, 0.1, 0.99, weight_decay=decay)
        for _ in range(3):
            reinforce.update(SimpleNamespace(entropy=np.zeros(1)), np.zeros((1, 0)), [0.0])
    np.testing.assert_allclose(toys[0].w.d, toys[1].w.d, rtol=1e-5)


def mean_reward(controller, reward):
    """Over 400 samples that are the same draws whatever the policy."""
    noise = controller.draw_noise(lambda i: np.random.default_rng([11, i]), 400)
    return np.mean([reward(architecture) for architecture in controller.sample(noise).architectures])


def share_of_max_pooling(architecture):
    return np.mean([operation == "max_pool3x3" for operation in architecture.operations])


def share_of_last_cell(architecture):
    """Micro: how many inputs are the output of the previous cell (input 1)."""
    nodes = architecture.normal + architecture.reduction
    return np.mean([chosen == 1 for node in nodes for chosen in (node.input_x, node.input_y)])


def share_of_skips(architecture):
    return np.mean([bit for bits in architecture.skips for bit in bits])


def share_of_sigmoids(architecture):
    return np.mean([function == "sigmoid" for _, function in architecture.nodes])


@pytest.mark.parametrize(
    ("name", "reward", "chance", "learned"),
    [
        ("macro", share_of_max_pooling, 1 / 6, 0.8),
        ("macro", share_of_skips, 1 / 2, 0.9),
        ("micro", share_of_last_cell, 5 / 12, 0.8),
        ("recurrent", share_of_sigmoids, 1 / 4, 0.8),
        ("old recurrent", share_of_sigmoids, 1 / 4, 0.8),
    ],
)
def test_rewarded_choices_become_more_probable(name, reward, chance, learned):
    """The NNabla example had the sign turned: what it rewarded became rarer."""
    controller = make_controller(name)
    reinforce = Reinforce(controller, 0.02, 0.9)
    assert abs(mean_reward(controller, reward) - chance) < 0.05
    learn(controller, reinforce, reward, 150)
    assert mean_reward(controller, reward) > learned


def test_one_step_raises_the_probability_of_a_rewarded_architecture():
    controller = make_controller("macro")
    reinforce = Reinforce(controller, 0.001, 0.9, use_baseline=False)
    noise = noise_of(controller, 0)
    sample = controller.sample(noise)
    reinforce.update(sample, noise, [1.0] + [0.0] * 7)
    after = controller.sample(controller.forcing_noise(sample.architectures)).log_probability
    assert after[0] > sample.log_probability[0]


def test_reward_and_loss_of_one_update():
    controller = make_controller("micro", num_candidates=2)
    reinforce = Reinforce(controller, 0.001, 0.99, entropy_weight=0.1)
    noise = noise_of(controller, 0)
    sample = controller.sample(noise)
    found = reinforce.update(sample, noise, [0.25, 0.75])
    rewards = np.array([0.25, 0.75]) + 0.1 * sample.entropy
    baselines = 0.01 * rewards[0], 0.01 * rewards[0] * 0.99 + 0.01 * rewards[1]
    np.testing.assert_allclose(found["reward"], rewards.mean())
    np.testing.assert_allclose(found["baseline"], baselines[1])
    np.testing.assert_allclose(found["entropy"], sample.entropy.mean())
    loss = np.mean(-sample.log_probability * (rewards - baselines))
    np.testing.assert_allclose(found["loss"], loss, rtol=1e-6)


def test_without_variance_reduction_the_reward_is_the_advantage():
    controller = make_controller("recurrent", num_candidates=2)
    reinforce = Reinforce(controller, 0.001, 0.99, use_baseline=False)
    noise = noise_of(controller, 0)
    sample = controller.sample(noise)
    found = reinforce.update(sample, noise, [0.25, 0.75])
    assert found["baseline"] == 0
    np.testing.assert_allclose(found["loss"], np.mean(-sample.log_probability * [0.25, 0.75]), rtol=1e-6)


@pytest.mark.parametrize("optimizer", ["adam", "momentum"])
@pytest.mark.parametrize("name", CONTROLLERS)
def test_a_restored_run_goes_on_to_the_same_bytes(name, optimizer):
    def reward(architecture):
        return float(architecture.to_numbers().ravel()[:3].sum()) / 10

    controller = make_controller(name)
    reinforce = Reinforce(controller, 0.01, 0.9, entropy_weight=1e-3, optimizer=optimizer)
    learn(controller, reinforce, reward, 3)
    weights, state = controller.scope.arrays(), reinforce.state()

    other = make_controller(name, seed=99)
    restored = Reinforce(other, 0.01, 0.9, entropy_weight=1e-3, optimizer=optimizer)
    for key, array in weights.items():
        other.parameters()[key].d = array
    restored.restore(state)
    for run in ((controller, reinforce), (other, restored)):
        learn(*run, reward, 3, first=3)
    for key, array in controller.scope.arrays().items():
        assert array.tobytes() == other.scope.arrays()[key].tobytes(), key
    for key, array in reinforce.state().items():
        assert array.tobytes() == restored.state()[key].tobytes(), key


def test_state_of_another_controller_is_refused():
    reinforce = Reinforce(make_controller("macro"), 0.01, 0.9)
    with pytest.raises(ValueError, match="optimizer state"):
        reinforce.restore(Reinforce(make_controller("micro"), 0.01, 0.9).state())
