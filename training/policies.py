"""Where architectures come from: the controller, or chance as the control."""

import numpy as np

from models.parameters import save_parameters
from training.divergence import expect_finite
from training.processes import SINGLE
from training.randomness import generator

TRAINING = "training"  # the purpose of what the shared weights are trained on
PREFERENCE_SAMPLES = 30  # candidates over which the probabilities of a choice are averaged for the record


class LearnedPolicy:
    """The controller with its policy gradient."""

    learns = True

    def __init__(self, controller, reinforce, seed):
        self._controller, self._reinforce, self._seed = controller, reinforce, seed

    def sample(self, purpose, *position, first, count):
        """Architectures number `first` to `first + count - 1` of those drawn for a purpose at a position of the search.

        Raises `Diverged` when the controller's parameters have become such that it cannot choose.
        """
        return self._draw(purpose, position, first, count)[1].architectures

    def update(self, purpose, *position, qualities):
        """One policy-gradient step on the architectures drawn there. Returns means to show: reward, baseline, entropy, loss."""
        noise, sample = self._draw(purpose, position, 0, len(qualities))
        return self._reinforce.update(sample, noise, qualities)

    def probe(self, count):
        """Do for a clock what an update over `count` architectures takes: draw them twice, and their gradient; nothing moves."""
        self._draw("probe", (), 0, count)
        noise, _ = self._draw("probe", (), 0, count)
        self._controller.backward(noise, np.zeros(count))

    def preferences(self, *position):
        """[(`Decision`, probabilities of its options)]: means over candidates drawn for this at a position of the search."""
        decisions = list(self._controller.space.decisions())
        noise = self._noise("preferences", position, 0, PREFERENCE_SAMPLES)
        ends = np.cumsum([len(decision.options) for decision in decisions])
        return list(zip(decisions, np.split(self._controller.probabilities(noise), ends[:-1]), strict=True))

    def save(self, path):
        """Write the controller's parameters, by name, as an h5 file. Raises `Diverged` when one is not finite."""
        parameters = self._controller.scope.all()
        expect_finite({name: parameter.d for name, parameter in parameters.items()}, "controller")
        save_parameters(path, parameters)

    def state(self):
        """Groups of arrays for a checkpoint."""
        return {"controller": self._controller.scope.arrays(), "controller_optimizer": self._reinforce.state()}

    def restore(self, groups):
        """Take up a `state()`."""
        self._controller.scope.assign(groups["controller"])
        self._reinforce.restore(groups["controller_optimizer"])

    def _draw(self, purpose, position, first, count):
        noise = self._noise(purpose, position, first, count)
        sample = self._controller.sample(noise)
        expect_finite({"log probability": sample.log_probability}, "controller's sample")
        return noise, sample

    def _noise(self, purpose, position, first, count):
        return self._controller.draw_noise(lambda row: generator(self._seed, purpose, *position, first + row), count)


class RandomPolicy:
    """Uniform chance: what the controller has to beat."""

    learns = False

    def __init__(self, space, seed):
        self._space, self._seed = space, seed

    def sample(self, purpose, *position, first, count):
        """As `LearnedPolicy.sample`."""
        return [
            self._space.random(generator(self._seed, purpose, *position, index)) for index in range(first, first + count)
        ]

    def state(self):
        """Nothing to remember."""
        return {}

    def restore(self, groups):
        """Nothing to take up."""


class TrainedByChance:
    """A learned policy, but chance draws what the shared weights are trained on, so that what it prefers is not trained more."""

    learns = True

    def __init__(self, policy, space, seed):
        self._policy, self._chance = policy, RandomPolicy(space, seed)

    def sample(self, purpose, *position, first, count):
        """As `LearnedPolicy.sample`."""
        policy = self._chance if purpose == TRAINING else self._policy
        return policy.sample(purpose, *position, first=first, count=count)

    def __getattr__(self, name):
        return getattr(self._policy, name)


class Sampler:
    """Architectures of a policy, which must be the same in all processes; raises UserError where they are not."""

    def __init__(self, policy, chunk, processes=SINGLE):
        """`chunk`: how many `one` samples at a time, which takes hardly longer than a single one."""
        self._policy, self._chunk, self._processes = policy, chunk, processes
        self._drawn = (None, [])  # the chunk's place and its architectures

    def one(self, epoch, step):
        """For mini-batch `step` of the training of the shared weights in `epoch`."""
        index = step % self._chunk
        place = epoch, step - index
        if self._drawn[0] != place:
            self._drawn = place, self.several(TRAINING, epoch, first=place[1], count=self._chunk)
        return self._drawn[1][index]

    def several(self, purpose, *position, first=0, count):
        """As the policy's `sample`."""
        architectures = self._policy.sample(purpose, *position, first=first, count=count)
        self._processes.expect_same([architecture.to_text() for architecture in architectures], "sampled architectures")
        return architectures
