"""What a search leaves: curves, the table of derived architectures, the best one and its controller."""

from file_names import CONTROLLER, PREFERENCES, TABLE
from search_spaces.files import parse
from training.processes import SINGLE


def origin(config):
    """Dict of where what a search finds comes from, for .json architectures."""
    facts = {name: getattr(config, name) for name in ("space", "seed", "preset", "controller")}
    operations = getattr(config, "operations", ())  # not every space has such
    return facts | ({"operations": list(operations)} if operations else {})


class SearchRecord:
    """Writes what a search finds and keeps the best of it.

    `best` is None or {"iteration" (from 0), "quality", "architecture" (text)}. Files for people count iterations from 1.
    """

    def __init__(self, config, policy, task, run, say, processes=SINGLE):
        self._config, self._policy, self._task, self._run, self._say, self._processes = config, policy, task, run, say, processes
        self._goal = task.evaluator.goal(config)
        self.best = None
        self._not_finite = 0  # how many architectures judged in this iteration had outputs that were not finite

    def goal_reached(self):
        """May the search stop early?"""
        return self.best is not None and self.best["quality"] > self._goal

    def count_not_finite(self, judged):
        """`judged`: [(quality, share of the outputs that were not finite)] of architectures."""
        self._not_finite += sum(not_finite > 0 for _, not_finite in judged)

    def iteration(self, iteration, derived, policy_figures):
        """What an iteration derived, [(architecture, quality)], and what the last controller update measured."""
        costs = [self._task.cost(architecture) for architecture, _ in derived]
        allowed = [pair for pair, cost in zip(derived, costs, strict=True) if self._allows(cost)]
        architecture, quality = max(allowed, key=lambda pair: pair[1], default=(None, None))
        kept = architecture is not None and self._replaces_best(quality)
        for pair, cost in zip(derived, costs, strict=True):
            self._add_row(iteration, *pair, cost, kept and pair[0] is architecture)
        self._add_points(iteration, quality, policy_figures)
        if self._policy.learns and self._processes.is_first:
            self._add_preferences(iteration)
        if kept:
            self._keep(iteration, architecture.to_text(), quality)
        self._say_result(iteration, quality)
        self._not_finite = 0

    def finish(self):
        """Returns `best`, whose file is there again if it was removed since it was found."""
        if self.best:
            self._write_architecture(final=True)
        return self.best

    def _allows(self, cost):
        limits = ((self._config.max_parameters, cost.parameters), (self._config.max_macs, cost.multiply_adds))
        return all(limit is None or count <= limit for limit, count in limits)

    def _replaces_best(self, quality):
        return self.best is None or self._config.select_strategy == "last" or quality > self.best["quality"]

    def _add_row(self, iteration, architecture, quality, cost, kept):
        header = ["iteration", self._task.evaluator.measure_name, "parameters", "multiply_adds", "kept", "architecture"]
        measure = f"{self._task.evaluator.measure(quality):.6g}"
        row = [iteration + 1, measure, cost.parameters, cost.multiply_adds, "yes" if kept else "no", architecture.to_text()]
        self._run.monitors.row(TABLE, header, row)

    def _add_points(self, iteration, quality, policy_figures):
        monitors, evaluator = self._run.monitors, self._task.evaluator
        if quality is not None:
            monitors.series(f"Validation {evaluator.measure_name}", iteration, evaluator.measure(quality))
        for name, value in policy_figures.items():
            monitors.series(f"Controller {name}", iteration, value)
        if self._not_finite:
            monitors.series("Not finite", iteration, self._not_finite)

    def _add_preferences(self, iteration):
        """How probable every choice is now, a column each: kind / place / option."""
        named = [
            (f"{decision.kind} / {decision.place} / {option}", f"{probability:.3f}")
            for decision, probabilities in self._policy.preferences(iteration)
            for option, probability in zip(decision.options, probabilities, strict=True) if option is not None
        ]  # fmt: skip
        names, values = zip(*named, strict=True)
        self._run.monitors.row(PREFERENCES, ["iteration", *names], [iteration + 1, *values])

    def _keep(self, iteration, text, quality):
        self.best = {"iteration": iteration, "quality": quality, "architecture": text}
        self._write_architecture()
        if self._policy.learns and self._processes.is_first:
            self._policy.save(self._run.path / CONTROLLER)

    def _write_architecture(self, final=False):
        if not self._processes.is_first:
            return
        config, evaluator, best = self._config, self._task.evaluator, self.best
        found = {"iteration": best["iteration"] + 1, evaluator.measure_name: evaluator.measure(best["quality"])}
        architecture = parse(best["architecture"].encode(), ".txt", config.space)
        self._run.architecture_files.write(config.recommended_arch, architecture, origin(config) | found, final)

    def _say_result(self, iteration, quality):
        describe, best = self._task.evaluator.describe, self.best
        found = "no derived architecture is within --max-parameters and --max-macs" if quality is None else describe(quality)
        so_far = "none kept so far"
        if best:
            so_far = f"best so far {describe(best['quality'])} (iteration {best['iteration'] + 1})"
        if self._not_finite:
            found += f"; {self._not_finite} of the judged architectures had outputs that were not finite"
        self._say(f"iteration {iteration + 1}/{self._config.max_search_iter}: {found}; {so_far}")

    def state(self):
        """Dict for JSON, for a checkpoint."""
        return {"best": self.best, "not_finite": self._not_finite}

    def restore(self, state):
        """Take up a `state()`."""
        self.best, self._not_finite = state["best"], state["not_finite"]
