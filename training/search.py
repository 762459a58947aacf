"""The search: train the shared weights, train the controller, derive architectures, record. The same for every space."""

from search_spaces.files import parse
from training.divergence import Diverged
from training.policies import Sampler
from training.processes import SINGLE
from training.search_record import SearchRecord
from training.training_curves import TrainingCurves
from training.work import Work


class Search:
    """One search (paper, section 2.2) in one run directory.

    `config` holds the options. `policy` gives architectures and may learn; `task` trains and judges them (a quality, greater
    is better); `position` is where the search stands. All chance comes from (seed, purpose, place in the search). Of the
    `processes` each judges other architectures; the first one writes.
    """

    def __init__(self, config, policy, task, run, position, say, processes=SINGLE):
        self.config, self.policy, self.task, self.position = config, policy, task, position
        self.record = SearchRecord(config, policy, task, run, say, processes)
        self._curves = TrainingCurves(task.trainer, run.monitors, getattr(config, "monitor_interval", None))
        self._sampler = Sampler(policy, config.num_candidate, processes)
        self._chosen = None  # the best candidate of the last controller update
        self._figures = {}  # of that update: reward, baseline, ...
        position.attach(self)

    def run(self):
        """Search until the iterations are used up or the goal is reached. Returns the best, None if nothing was small enough."""
        config = self.config
        alike_from = config.controller_start if self.policy.learns else 0
        for iteration in self.position.rounds("iteration", config.max_search_iter, alike_from):
            if self.record.goal_reached():
                break
            if config.schedule == "alternating":  # the paper's
                self._train_shared_weights(iteration, self._sampler.one)
                if self._controller_learns(iteration):
                    self._train_controller(iteration, config.controller_steps)
                derived = self._sampler.several("derive", iteration, count=config.num_derive)
            else:  # that of NNabla's example
                self._train_controller(iteration, 1)
                self._train_shared_weights(iteration, lambda epoch, step: self._chosen)
                derived = [self._chosen]
            self.record.iteration(iteration, self._validate(derived), self._figures)
        return self.record.finish()

    def _train_shared_weights(self, iteration, architecture_for):
        """`epoch_per_search` epochs; `architecture_for(epoch, step)` gives the architecture of a mini-batch."""
        trainer, count = self.task.trainer, self.config.epoch_per_search
        epochs = range(iteration * count, (iteration + 1) * count)
        mini_batches = [(epoch, step) for epoch in epochs for step in range(trainer.steps(epoch))]
        for epoch, step in self.position.steps("shared weights", mini_batches, trainer.averages):
            if step == 0:
                trainer.reset_averages()
            trainer.train_step(architecture_for(epoch, step), epoch, step)
            self._curves.mini_batch(epoch, step)
            if step == trainer.steps(epoch) - 1:
                self._curves.epoch(epoch)

    def _train_controller(self, iteration, updates):
        """`updates` of the policy, each over the rewards of `num_candidate` sampled architectures."""
        count = self.config.num_candidate
        for update in self.position.steps("controller", range(updates), lambda: self._figures, parts=count):
            candidates = self._sampler.several("controller", iteration, update, count=count)
            rewards = self._rewards(candidates, iteration, update)
            self._chosen = candidates[rewards.index(max(rewards))]
            if self._controller_learns(iteration):
                self._figures = self.policy.update("controller", iteration, update, qualities=rewards)

    def _rewards(self, candidates, iteration, update):
        """Their qualities on `val_iter` mini-batches of the validation split."""
        evaluator = self.task.evaluator

        def reward(index):
            quality = evaluator.reward(candidates[index], self.config.val_iter, iteration, update, index)
            return quality, evaluator.not_finite

        judged = self.position.collect(reward, range(len(candidates)))
        self.record.count_not_finite(judged)
        return [quality for quality, _ in judged]

    def _validate(self, architectures):
        """[(architecture, its quality on the whole validation split)]. Raises `Diverged` when no output was finite."""
        evaluator = self.task.evaluator

        def validate(architecture):
            return evaluator.validate(architecture, self.position.pause), evaluator.not_finite

        judged = self.position.results("deriving", validate, architectures)
        self.record.count_not_finite(judged)
        pairs = zip(architectures, judged, strict=True)
        derived = [(architecture, quality) for architecture, (quality, not_finite) in pairs if not_finite < 1]
        if not derived:
            raise Diverged("no output of the derived architectures was finite")
        return derived

    def _controller_learns(self, iteration):
        """Before --controller-start rewards would say how fast untrained weights learn; the policy stays as it began."""
        return self.policy.learns and iteration >= self.config.controller_start

    def work_left(self):
        """The `Work` of the iterations that are not done."""
        config, task, begun = self.config, self.task, self.position.begun
        alternating = config.schedule == "alternating"
        updates = config.controller_steps if alternating else 1
        learning = sum(self._controller_learns(iteration) for iteration in range(begun, config.max_search_iter))
        left = config.max_search_iter - begun
        rewards = (learning if alternating else left) * updates * config.num_candidate * config.val_iter
        derived = left * (config.num_derive if alternating else 1)
        return Work(
            steps=left * config.epoch_per_search * task.trainer.steps(begun * config.epoch_per_search),
            judged=rewards * task.examples.probed + derived * task.examples.held_out,
            updates=learning * updates,
            candidates=config.num_candidate,
        )

    def state(self):
        """What a checkpoint keeps: groups of arrays, a dict for JSON."""
        chosen = self._chosen and self._chosen.to_text()
        state = {"chosen": chosen, "policy_figures": self._figures}
        return self.task.trainer.state() | self.policy.state(), state | self.record.state()

    def restore(self, groups, state):
        """Take up a `state()`."""
        self.record.restore(state)
        self._figures = state["policy_figures"]
        self._chosen = state["chosen"] and parse(state["chosen"].encode(), ".txt", self.config.space)
        self.task.trainer.restore(groups)
        self.policy.restore(groups)
