"""A search from its options to a finished run."""

import os

from file_names import TABLE
from models.parameters import ParameterScope
from reporting.parts import REPORT
from runs.commands import retrain_command
from runs.found_architecture import OWN, FoundArchitecture
from runs.job import Job
from runs.position import Position
from runs.run_config import run_folder
from search_spaces.files import check_architecture_path, parse
from training.policies import LearnedPolicy, RandomPolicy, TrainedByChance
from training.precision import on_host
from training.reinforce import Reinforce
from training.search import Search
from training.search_record import origin


class SearchJob(Job):
    """Search the space, starting from --seed or from the last checkpoint."""

    length = "max_search_iter"

    def check(self):
        check_architecture_path(self.config.recommended_arch)

    def make_task(self):
        return self.space.tasks.search_task(self.config, self.space, self.say)

    def make_loop(self, run, task):
        self.tell(self.heading())
        policy = make_policy(self.config, self.space, self.processes, run.rate_factor)
        return Search(self.config, policy, task, run, Position(run, self.progress, self.processes), self.tell, self.processes)

    def outcome(self, run, loop, returned):
        return {"summary": search_summary(self.config, run, loop, returned), "best": returned, "status": int(returned is None)}

    def repeat(self, outcome, folder):
        """Write what a finished search found, where its files have been removed since."""
        best = outcome.get("best")
        if best and self.processes.is_first:
            source = origin(self.config) | {"iteration": best["iteration"] + 1}
            found = FoundArchitecture(folder, self.say)
            found.write_missing(self.config.recommended_arch, _parse(self.config, best), source)

    def next_command(self):
        return retrain_command(self.config, run_folder(self.config.monitor_path, f"{self.config.space}_search"))


def make_policy(config, space, processes, rate_factor=1.0):
    """The learned or the random policy, as --controller says; `rate_factor` multiplies the controller's learning rate."""
    if config.controller == "random":
        return RandomPolicy(space.encoding(config), config.seed)
    with on_host():
        controller = space.make_controller(config, ParameterScope(config.seed))
        reinforce = Reinforce(
            controller, config.control_lr * rate_factor, config.baseline_decay, config.entropy_weight,
            config.use_variance_reduction, processes, config.control_optimizer, config.control_weight_decay,
        )  # fmt: skip
    policy = LearnedPolicy(controller, reinforce, config.seed)
    return policy if config.training_samples == "policy" else TrainedByChance(policy, space.encoding(config), config.seed)


def _parse(config, best):
    return parse(best["architecture"].encode(), ".txt", config.space)


def search_summary(config, run, search, best):
    """Lines for the end of a search: result, architecture, files, what to type next."""
    if best is None:
        return [f"no derived architecture was within --max-parameters and --max-macs; the sizes are in {run.path / TABLE}"]
    return [
        f"best {search.task.evaluator.describe(best['quality'])} with shared weights, in iteration {best['iteration'] + 1}. "
        "This only ranks architectures; train this one from scratch to see how good it is:",
        f"    {retrain_command(config, run.path)}",
        _parse(config, best).describe(),
        f"architecture: {os.path.abspath(config.recommended_arch)}, {run.path / OWN}",
        f"curves, {'controller, ' if search.policy.learns else ''}table of all derived architectures: {run.path}",
        f"report: {run.path / REPORT}",
    ]
