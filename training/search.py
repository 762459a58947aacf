"""The search: train the shared weights, train the controller, derive architectures, record. The same for every space."""

from dataclasses import dataclass

from runs.parallel import SINGLE
from search_spaces.files import parse, save_architecture
from training.divergence import Diverged

TABLE = "architectures.csv"


@dataclass(frozen=True)
class SearchSettings:
    """Sizes and order of one iteration; names as the options."""

    schedule: str  # "alternating" or "best-candidate"
    max_search_iter: int
    epoch_per_search: int
    controller_steps: int
    controller_start: int  # the first iteration, from 0, in which the controller learns
    num_candidate: int
    val_iter: int
    num_derive: int
    goal: float  # the search ends when the best quality exceeds it
    select_strategy: str  # "best" of all iterations or of the "last"
    max_parameters: int | None  # of the final network of an architecture that is kept
    max_macs: int | None  # its multiply-adds
    recommended_arch: str
    origin: dict  # written into .json architectures

    def allows(self, cost):
        """May an architecture of this `Cost` be kept?"""
        limits = ((self.max_parameters, cost.parameters), (self.max_macs, cost.multiply_adds))
        return all(limit is None or count <= limit for limit, count in limits)


class Search:
    """One search in one run directory.

    `policy` gives architectures and may learn; `task` trains and judges them (a quality, greater is better); `run` is the opened
    run directory. All chance comes from (seed, purpose, position), so a search that continues from `run.resumed` does what it
    would have done. Of the processes of `group` each judges other architectures; the first one writes.
    """

    def __init__(self, settings, policy, task, run, progress, group=SINGLE):
        self.settings, self.policy, self.task, self.run_directory, self._group = settings, policy, task, run, group
        self._progress = progress
        self.iteration, self._phase, self._unit = 0, 0, 0
        self.best = None  # {"iteration", "quality", "architecture" (text)}
        self._rewards = []  # of the candidates judged so far for the controller update under way
        self._derived = []  # [text, quality] of the architectures derived so far in this iteration
        self._not_finite = 0  # how many judged in this iteration had outputs that were not finite
        self._chosen = None  # text of the candidate that "best-candidate" trains
        self._policy_figures = {}
        task.rate_factor = run.rate_factor
        if run.resumed:
            self._restore(*run.resumed)

    def run(self):
        """Search until the iterations are used up or the goal is reached. Returns `best`, None if nothing was small enough."""
        self._pause(due=not self.run_directory.resumed)
        self._progress.start_rounds(self.settings.max_search_iter - self.iteration, whole=self._phase == self._unit == 0)
        while self.iteration < self.settings.max_search_iter and not self._goal_reached():
            for phase in self._phases()[self._phase :]:
                phase()
                self._phase, self._unit = self._phase + 1, 0
            self._record()
            self._progress.round_done()
            if self.policy.learns and not self._controller_learns():  # a shorter round than those to come
                self._progress.start_rounds(self.settings.max_search_iter - self.iteration - 1)
            self.run_directory.report.update(self._progress.seconds_left())
            self.iteration, self._phase = self.iteration + 1, 0
            self._pause(due=True)
        if self.best:
            self._write_architecture()  # it may have been removed since it was found
        return self.best

    # ---- one iteration ------------------------------------------------------------------------------------------

    def _phases(self):
        if self.settings.schedule == "best-candidate":
            return [self._choose_candidate, self._train_chosen, self._measure_chosen]
        if not self._controller_learns():
            return [self._train_shared_weights, self._derive]
        return [self._train_shared_weights, self._train_controller, self._derive]

    def _controller_learns(self):
        """Before --controller-start rewards would say how fast untrained weights learn; the policy stays as it began."""
        return self.policy.learns and self.iteration >= self.settings.controller_start

    def _train_shared_weights(self):
        """A fresh architecture for every mini-batch."""
        chunk = {}

        def architecture_for(epoch, step):
            first = step - step % self.settings.num_candidate
            if (epoch, first) not in chunk:
                chunk.clear()
                chunk[epoch, first] = self._sample(
                    "training", epoch, first=first, count=self.settings.num_candidate
                )
            return chunk[epoch, first][step - first]

        self._train(architecture_for)

    def _train_chosen(self):
        """The chosen candidate on every mini-batch."""
        architecture = self._parse(self._chosen)
        self._train(lambda epoch, step: architecture)

    def _train(self, architecture_for):
        settings, task = self.settings, self.task
        first_epoch = self.iteration * settings.epoch_per_search
        epochs = range(first_epoch, first_epoch + settings.epoch_per_search)
        units = [(epoch, step) for epoch in epochs for step in range(task.steps(epoch))]
        self._progress.start(self._title("shared weights"), len(units), self._unit)
        for epoch, step in units[self._unit :]:
            if step == 0:
                task.reset_averages()
            task.train_step(architecture_for(epoch, step), epoch, step)
            if step == task.steps(epoch) - 1:
                self._record_epoch(epoch, task.learning_rate(epoch, step))
            self._step_done(self._training_figures)

    def _train_controller(self):
        """`controller_steps` updates, each over the rewards of `num_candidate` sampled architectures."""
        self._judge_candidates("controller", self.settings.controller_steps)

    def _choose_candidate(self):
        """One controller update; its best candidate is what gets trained next."""
        self._judge_candidates("controller", 1)

    def _judge_candidates(self, title, updates):
        count = self.settings.num_candidate
        self._progress.start(self._title(title), updates * count, self._unit)
        candidates = None
        while self._unit < updates * count:
            update, index = divmod(self._unit, count)
            if candidates is None or index == 0:
                candidates = self._sample("controller", self.iteration, update, first=0, count=count)
            judged = range(index, min(index + self._group.size, count))
            self._rewards += self._rewards_of(candidates, update, judged)
            if judged.stop == count:
                self._end_update(update, candidates)
            self._step_done(lambda: {name: f"{value:.3f}" for name, value in self._policy_figures.items()}, len(judged))

    def _rewards_of(self, candidates, update, indices):
        def reward(index):
            return self.task.reward(candidates[index], self.settings.val_iter, self.iteration, update, index)

        return [quality for quality, _ in self._judge(reward, indices)]

    def _end_update(self, update, candidates):
        best = max(range(len(candidates)), key=self._rewards.__getitem__)
        self._chosen = candidates[best].to_text()
        if self._controller_learns():
            self._policy_figures = self.policy.update("controller", self.iteration, update, qualities=self._rewards)
        self._rewards = []

    def _derive(self):
        """Sample `num_derive` architectures and measure each on the whole validation split."""
        count = self.settings.num_derive
        self._measure(self._sample("derive", self.iteration, first=0, count=count))

    def _measure_chosen(self):
        self._measure([self._parse(self._chosen)])

    def _measure(self, architectures):
        self._progress.start(self._title("deriving"), len(architectures), self._unit)
        while self._unit < len(architectures):
            measured = architectures[self._unit : self._unit + self._group.size]
            judged = self._judge(lambda architecture: self.task.validate(architecture, self._pause), measured)
            for architecture, (quality, not_finite) in zip(measured, judged, strict=True):
                if not_finite < 1:  # nothing finite is no quality
                    self._derived.append([architecture.to_text(), quality])
            self._step_done(steps=len(measured))
        if not self._derived:
            raise Diverged("no output of the derived architectures was finite")

    def _judge(self, quality_of, items):
        """[(quality, share of the outputs that were not finite)] of items for `group.map`; counts those with such outputs."""
        judged = self._group.map(lambda item: (quality_of(item), self.task.not_finite), items)
        self._not_finite += sum(not_finite > 0 for _, not_finite in judged)
        return judged

    def _sample(self, *position, first, count):
        """Architectures of the policy, the same in all processes."""
        architectures = self.policy.sample(*position, first=first, count=count)
        self._group.expect_same([architecture.to_text() for architecture in architectures], "sampled architectures")
        return architectures

    # ---- recording ----------------------------------------------------------------------------------------------

    def _record_epoch(self, epoch, rate):
        monitors = self.run_directory.monitors
        for name, value in self.task.averages().items():
            monitors.series(f"Training {name}", epoch, value)
        monitors.series("Learning rate", epoch, rate)

    def _record(self):
        """Monitors, table, best architecture and its controller."""
        monitors, task = self.run_directory.monitors, self.task
        costs = [task.cost(self._parse(text)) for text, _ in self._derived]
        small_enough = [index for index, cost in enumerate(costs) if self.settings.allows(cost)]
        best = max(small_enough, key=lambda index: self._derived[index][1], default=None)
        kept = best is not None and self._replaces_best(self._derived[best][1])
        for index, ((text, quality), cost) in enumerate(zip(self._derived, costs, strict=True)):
            monitors.row(
                TABLE,
                ["iteration", task.measure_name, "parameters", "multiply_adds", "kept", "architecture"],
                [self.iteration, f"{task.measure(quality):.6g}", cost.parameters, cost.multiply_adds,
                 "yes" if kept and index == best else "no", text],
            )  # fmt: skip
        if best is not None:
            monitors.series(f"Validation {task.measure_name}", self.iteration, task.measure(self._derived[best][1]))
        for name, value in self._policy_figures.items():
            monitors.series(f"Controller {name}", self.iteration, value)
        if kept:
            self._keep(*self._derived[best])
        if self._not_finite:
            monitors.series("Not finite", self.iteration, self._not_finite)
        self._say_result(None if best is None else self._derived[best][1])
        self._derived, self._not_finite = [], 0

    def _replaces_best(self, quality):
        return self.best is None or self.settings.select_strategy == "last" or quality > self.best["quality"]

    def _keep(self, text, quality):
        self.best = {"iteration": self.iteration, "quality": quality, "architecture": text}
        self._write_architecture()
        if self.policy.learns and self._group.is_first:
            self.policy.save(self.run_directory.path / "controller_params.h5")

    def _say_result(self, quality):
        describe, best = self.task.describe, self.best
        found = "no derived architecture is within --max-parameters and --max-macs" if quality is None else describe(quality)
        so_far = "none kept so far"
        if best:
            so_far = f"best so far {describe(best['quality'])} (iteration {best['iteration'] + 1}): {best['architecture']}"
        if self._not_finite:
            found += f"; {self._not_finite} architectures judged had outputs that were not finite"
        self._progress.say(f"iteration {self.iteration + 1}/{self.settings.max_search_iter}: {found}; {so_far}")

    def _write_architecture(self):
        if not self._group.is_first:
            return
        origin = self.settings.origin | {
            "iteration": self.best["iteration"],
            self.task.measure_name: self.task.measure(self.best["quality"]),
        }
        save_architecture(self.settings.recommended_arch, self._parse(self.best["architecture"]), origin)

    def _goal_reached(self):
        return self.best is not None and self.best["quality"] > self.settings.goal

    # ---- position, checkpoints ----------------------------------------------------------------------------------

    def _title(self, phase):
        return f"iteration {self.iteration + 1}/{self.settings.max_search_iter}, {phase}"

    def _training_figures(self):
        return {name: f"{value:.4g}" for name, value in self.task.averages().items()}

    def _parse(self, text):
        return parse(text.encode(), ".txt", self.settings.origin["space"])

    def _step_done(self, show=None, steps=1):
        """After every mini-batch, judged candidate or derived architecture: the points where a run can stop and go on."""
        self._unit += steps
        self._progress.step(show, steps)
        self._pause()

    def _pause(self, due=False):
        self.run_directory.pause_point(self._save, due)

    def _save(self):
        state = {
            "iteration": self.iteration,
            "phase": self._phase,
            "unit": self._unit,
            "best": self.best,
            "rewards": self._rewards,
            "derived": self._derived,
            "not_finite": self._not_finite,
            "chosen": self._chosen,
            "policy_figures": self._policy_figures,
        }
        self.run_directory.save(self.task.state() | self.policy.state(), state)

    def _restore(self, groups, state):
        self.iteration, self._phase, self._unit = state["iteration"], state["phase"], state["unit"]
        self.best, self._rewards, self._derived = state["best"], state["rewards"], state["derived"]
        self._chosen, self._policy_figures = state["chosen"], state["policy_figures"]
        self._not_finite = state.get("not_finite", 0)  # older code did not count
        self.task.restore(groups)
        self.policy.restore(groups)
