"""The search spaces: what each is made of. A new one is an entry here, or a `Space` of your own given to `runs.jobs.script`."""

from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType

from deployment import final_cost
from models import controller, final_networks, shared_networks
from models.recurrent_controllers import recurrent_controller
from runs import image_tasks, language_tasks
from search_spaces.macro import MacroSpace
from search_spaces.micro import MicroSpace
from search_spaces.recurrent import RecurrentSpace


@dataclass(frozen=True)
class Space:
    """A search space under the name that its options have in `args`. `options` are those of a search but for `final_network`."""

    name: str
    encoding: Callable  # (options) -> what can be found: an object with `random(rng)`, for its controller too
    controller: Callable  # (encoding, options, parameter scope, candidates)
    shared_network: Callable  # (options, parameter scope, classes or words) -> the network that a search trains
    final_network: Callable  # (options of the retraining, parameter scope, classes or words) -> what retraining trains
    tasks: ModuleType  # `search_task` and `retraining_task` (options, space, log): data, training and judging
    final_cost: Callable  # (`final_network`, architecture, options of the retraining, sizes of its data) -> a line on its cost
    size_option: str | None = None  # that repeats when retraining what the architecture says
    size_of: Callable = lambda architecture: None  # what it says

    def describe_final_cost(self, architecture, options, sizes):
        """One line: what the network that retraining trains would cost."""
        return self.final_cost(self.final_network, architecture, options, sizes)

    def make_controller(self, options, scope):
        """The controller over the parameters in `scope`."""
        return self.controller(self.encoding(options), options, scope, options.num_candidate)


MACRO = Space(
    name="macro",
    encoding=lambda options: MacroSpace(options.num_layers, operations=options.operations, skip_prob=options.chance_skip_prob),
    controller=controller.MacroController,
    shared_network=shared_networks.macro,
    final_network=final_networks.macro,
    tasks=image_tasks,
    final_cost=final_cost.image_network,
    size_option="num_layers",
    size_of=lambda architecture: architecture.num_layers,
)
MICRO = Space(
    name="micro",
    encoding=lambda options: MicroSpace(options.num_nodes - 2, operations=options.operations),
    controller=controller.MicroController,
    shared_network=shared_networks.micro,
    final_network=final_networks.micro,
    tasks=image_tasks,
    final_cost=final_cost.image_network,
    size_option="num_nodes",
    size_of=lambda architecture: architecture.num_nodes + 2,
)
RECURRENT = Space(
    name="recurrent",
    encoding=lambda options: RecurrentSpace(options.num_nodes, options.arc_form),
    controller=recurrent_controller,
    shared_network=final_networks.recurrent,
    final_network=final_networks.recurrent,
    tasks=language_tasks,
    final_cost=final_cost.language_model,
    size_option="num_nodes",
    size_of=lambda architecture: architecture.num_nodes,
)
SPACES = {space.name: space for space in (MACRO, MICRO, RECURRENT)}
