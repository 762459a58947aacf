"""What is told after the first steps, against whole runs on a clock that the tasks move themselves."""


import pytest

import args
from errors import UserError
from reporting.progress import Progress
from runs.forecast import Forecast, Hours, span
from runs.position import Position
from tests import toys
from training.processes import SINGLE
from training.retrain import Retraining
from training.search import Search
from training.work import Examples, Proposed

STEP, IMAGE, UPDATE = 2.0, 0.25, 5.0  # seconds
HELD_OUT, PROBED = 40, 8


class Clock:
    """`now` is the time, `unreal` what of it went by for the clock's sake."""

    now = unreal = 0.0

    def __call__(self):
        return self.now


class Task(toys.ToyTask):
    """Takes its time. A step that compiles, one of the first three, takes a minute more."""

    def __init__(self, clock, step=STEP, image=IMAGE, compiling=3):
        super().__init__()
        self.clock, self.taken, self.image, self.compiling = clock, step, image, compiling
        self.examples, self.proposed, self.done = Examples(30, HELD_OUT, PROBED), None, 0

    def steps(self, epoch):
        return 15

    def train_step(self, architecture, epoch, step):
        super().train_step(architecture, epoch, step)
        self.done += 1
        extra = 60.0 * (self.done <= self.compiling)
        self.clock.now += self.taken + extra
        self.clock.unreal += extra

    def reward(self, architecture, batches, *position):
        self.clock.now += self.image * PROBED * batches
        return super().reward(architecture, batches, *position)

    def validate(self, architecture, pause=lambda: None, processes=None):
        self.clock.now += self.image * HELD_OUT
        return super().validate(architecture, pause)

    def probe(self, architecture):
        self.clock.now += self.image * PROBED
        self.clock.unreal += self.image * PROBED


class Policy(toys.ToyPolicy):
    def __init__(self, clock, learns=True):
        super().__init__()
        self.clock, self.learns = clock, learns

    def update(self, *place, qualities):
        self.clock.now += UPDATE
        return super().update(*place, qualities=qualities)

    def probe(self, count):
        self.clock.now += UPDATE
        self.clock.unreal += UPDATE


def searched(folder, told, proposed=None, learns=True, processes=SINGLE, stop=None, **options):
    """Seconds that a whole search takes; what it tells of them goes into the list `told`."""
    clock = Clock()
    config = toys.configured(recommended_arch=str(folder / "arch.npy"), num_candidate=3, **options)
    task = Task(clock)
    task.proposed = proposed and proposed(clock)
    with toys.open_run(folder) as run:
        loop = Search(config, Policy(clock, learns), task, run, Position(run, Progress(quiet=True), SINGLE), lambda *_: None)
        Forecast(loop, processes, told.append, clock=clock)
        run.finish({"summary": ["done"], "best": loop.run()})
    return clock.now - clock.unreal


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"controller_steps": 7, "val_iter": 3},
        {"num_derive": 9, "epoch_per_search": 3},
        {"max_search_iter": 6, "controller_start": 4},
        {"schedule": "best-candidate"},
        {"learns": False},
        {"learns": False, "schedule": "best-candidate"},
    ],
)
def test_a_search_takes_as_long_as_it_said(tmp_path, options):
    """Training, controller, deriving and nothing else; what compiles and what is done for the clock do not count."""
    told = []
    taken = searched(tmp_path, told, **options)
    assert [hours.run for hours in told] == [pytest.approx(taken)]
    assert told[0].retraining is None


def test_what_is_done_for_the_clock_moves_nothing(tmp_path):
    searched(tmp_path / "with", [], lambda clock: Proposed(3, 100, 20, lambda _: Task(clock)))
    toys.search(tmp_path / "without", task=Task(Clock()), num_candidate=3)
    kept = [toys.contents(tmp_path / name) for name in ("with", "without")]
    for contents in kept:
        del contents["run/config.json"], contents["run/report.html"]  # they tell the folder and the options
    assert kept[0] == kept[1]


def test_the_proposed_retraining_is_timed_with_its_own_network(tmp_path):
    """10 seconds for a step of 30 / 15 images, 0.5 for an image that is judged; the first steps compile."""
    told = []
    searched(tmp_path, told, lambda clock: Proposed(7, 1000, 200, lambda _: Task(clock, 10.0, 0.5, compiling=1)))
    assert told[0].retraining == pytest.approx(7 * (1000 * 10 / 2 + 200 * 0.5))


def test_a_network_that_may_not_be_chosen_counts_as_the_largest_that_may(tmp_path):
    told = []
    searched(tmp_path, told, lambda clock: Proposed(7, 1000, 200, lambda _: Task(clock, 10.0, 0.5, compiling=1)), max_macs=2)
    assert told[0].retraining == pytest.approx(7 * (1000 * 10 / 2 + 200 * 0.5) * 2 / 7)  # a toy has 7 multiply-adds


def test_a_retraining_that_cannot_be_is_not_told(tmp_path):
    def refuse(_):
        raise UserError("too few words")

    told = []
    searched(tmp_path, told, lambda clock: Proposed(7, 1000, 200, refuse))
    assert told[0].retraining is None and told[0].run > 0


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("memory error in alloc\n__func__\nout of memory")])
def test_a_retraining_that_has_no_memory_beside_the_search_is_not_told(tmp_path, error):
    def fail(_):
        raise error

    told = []
    searched(tmp_path, told, lambda clock: Proposed(7, 1000, 200, fail))
    assert told[0].retraining is None and told[0].run > 0


def test_another_failure_of_the_retraining_is_not_hidden(tmp_path):
    def fail(_):
        raise RuntimeError("a bug")

    with pytest.raises(RuntimeError, match="a bug"):
        searched(tmp_path, [], lambda clock: Proposed(7, 1000, 200, fail))


def test_a_retraining_takes_as_long_as_it_said(tmp_path):
    clock, told = Clock(), []
    with toys.open_run(tmp_path, "macro_retrain") as run:
        config = toys.configured(epoch_on_retrain=4)
        position = Position(run, Progress(quiet=True), SINGLE)
        loop = Retraining(config, toys.ARCHITECTURE, Task(clock), run, position, lambda *_: None)
        Forecast(loop, SINGLE, told.append, clock=clock)
        loop.run()
    assert [hours.run for hours in told] == [pytest.approx(clock.now - clock.unreal)]


def test_steps_do_not_count_before_the_number_of_threads_is_found(tmp_path):
    clock, told, slow = Clock(), [], 20
    with toys.open_run(tmp_path, "macro_retrain") as run:
        task = Task(clock, compiling=slow)
        config = toys.configured(epoch_on_retrain=4)
        loop = Retraining(config, toys.ARCHITECTURE, task, run, Position(run, Progress(quiet=True), SINGLE), lambda *_: None)
        Forecast(loop, SINGLE, told.append, lambda: task.done >= slow, clock)
        loop.run()
    assert told[0].run == pytest.approx(3 * (15 * STEP + HELD_OUT * IMAGE))  # it was told in the second epoch


@pytest.mark.parametrize(
    "seconds, words",
    [
        (0.2, "1 second"), (41.2, "41 seconds"), (100, "2 minutes"), (5000, "83 minutes"), (5500, "1.5 hours"), (7200, "2 hours"),
        (86_400, "24 hours"), (3 * 86_400, "3 days"), (41.4 * 86_400, "41 days"),
    ],
)  # fmt: skip
def test_times_in_words(seconds, words):
    assert span(seconds) == words


def test_a_long_run_on_a_cpu_names_the_preset_that_is_made_for_it():
    line = Hours(20 * 86_400, 30 * 86_400).line("search", False, "evening")
    assert line == (
        "this search takes about 20 days on this machine, the retraining that it proposes about 30 days; "
        "--preset evening is made for a CPU"
    )
    assert "preset" not in Hours(3600, 7200).line("search", False, "evening")
    assert Hours(3600).line("retraining", True) == "the rest of this retraining takes about 60 minutes on this machine"


def test_the_preset_that_is_named_is_one_of_the_space():
    named = {space: args.preset_for_cpu(args.parse(space, args.SEARCH, [])) for space in args.SPACES}
    assert named == {"macro": "evening", "micro": "evening", "recurrent": "evening"}
    assert args.preset_for_cpu(args.parse("macro", args.SEARCH, ["--preset", "short"])) is None
