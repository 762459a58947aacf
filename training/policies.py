"""Where architectures come from: the controller, or chance as the control."""

from models.parameters import save_parameters
from training.divergence import expect_finite
from training.randomness import generator


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

    def set_learning_rate(self, rate):
        """Of the controller."""
        self._reinforce.set_learning_rate(rate)

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
        noise = self._controller.draw_noise(
            lambda row: generator(self._seed, purpose, *position, first + row), count
        )
        sample = self._controller.sample(noise)
        expect_finite({"log probability": sample.log_probability}, "controller's sample")
        return noise, sample


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
