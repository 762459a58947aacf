"""The policy gradient of the controller (REINFORCE, Williams 1992; paper section 2.2)."""

import nnabla.solvers as S
import numpy as np

from constants import MOMENTUM
from training.divergence import expect_finite
from training.processes import SINGLE


class Baseline:
    """Moving average of the rewards, from 0; it lives as long as the search."""

    def __init__(self, decay):
        self.decay = decay
        self.value = 0.0

    def advantages(self, rewards):
        """Rewards (candidates,) minus the baseline, which each reward moves first (authors' code)."""
        advantages = []
        for reward in rewards:
            self.value -= (1 - self.decay) * (self.value - reward)
            advantages.append(reward - self.value)
        return np.array(advantages)


class Reinforce:
    """Moves a controller's parameters towards choices that were rewarded.

    The reward R = accuracy + entropy_weight * entropy, without a gradient through it; the loss is the mean
    over the candidates of -log p (R - baseline), plus the controller's own skip penalty. The optimizer
    is Adam with the constants of the controller's class (authors' code) or plain momentum (NNabla's example);
    nothing is clipped. The `processes` share out the candidates of the backward pass.
    """

    def __init__(
        self, controller, learning_rate, baseline_decay, entropy_weight=None, use_baseline=True, processes=SINGLE,
        optimizer="adam", weight_decay=0.0,
    ):  # fmt: skip
        """`entropy_weight`: None is 0. `use_baseline`: False leaves the reward as it is. `optimizer`: adam or momentum.

        `weight_decay` w adds w * weight to the gradients.
        """
        self._processes, self._weight_decay = processes, weight_decay
        self.controller = controller
        self.entropy_weight = entropy_weight or 0.0
        self.use_baseline = use_baseline
        self.baseline = Baseline(baseline_decay)
        adam = optimizer == "adam"
        self._solver = S.Adam(learning_rate, **controller.adam) if adam else S.Momentum(learning_rate, MOMENTUM)
        self._solver.set_parameters(controller.parameters())

    def update(self, sample, noise, accuracies):
        """One step from `sample`, drawn with `noise`, and its accuracies (candidates,).

        Returns floats: reward and entropy (means), baseline (after the step), loss. Raises `Diverged`, before the baseline
        moves, when a reward is not finite, and before the parameters do when the loss is not.
        """
        rewards = np.asarray(accuracies, np.float64) + self.entropy_weight * sample.entropy
        expect_finite({"reward": rewards}, "controller's update")
        advantages = self.baseline.advantages(rewards) if self.use_baseline else rewards
        loss = self._backward(noise, advantages)
        expect_finite({"loss": loss}, "controller's update")
        if self._weight_decay:
            self._solver.weight_decay(self._weight_decay)
        self._solver.update()
        return {
            "reward": float(rewards.mean()),
            "entropy": float(sample.entropy.mean()),
            "baseline": self.baseline.value,
            "loss": loss,
        }

    def _backward(self, noise, advantages):
        """Leave the gradient of the mean over all candidates; returns the loss. Shares may be unequal, and none."""
        processes, count = self._processes, len(advantages)
        mine = slice(processes.rank, None, processes.size)
        loss = self.controller.backward(noise[mine], advantages[mine], count / processes.size)
        processes.average([parameter.grad for parameter in self.controller.parameters().values()])
        return float(processes.sum(loss) / processes.size)

    def state(self):
        """What the next step depends on beside the parameters: dict of name -> array, for a checkpoint."""
        arrays = {"baseline": np.array(self.baseline.value, np.float64)}
        for name, state in self._solver.get_states().items():
            arrays[f"{name}/step"] = np.array(state.t, np.int64)
            for moment, variable in sorted(state.pstate.items()):
                arrays[f"{name}/{moment}"] = variable.d.copy()
        return arrays

    def restore(self, arrays):
        """Put back what `state` gave. Raises ValueError when it is of another controller."""
        expected = self.state()
        if {name: array.shape for name, array in arrays.items()} != {n: a.shape for n, a in expected.items()}:
            raise ValueError(f"optimizer state of {sorted(arrays)}; this controller has {sorted(expected)}")
        self.baseline.value = float(arrays["baseline"])
        states = self._solver.get_states()
        for name, state in states.items():
            state.t = int(arrays[f"{name}/step"])
            for moment, variable in sorted(state.pstate.items()):
                variable.d = arrays[f"{name}/{moment}"]
        self._solver.set_states(states)
