"""Which number of threads a run ends up with, for steps whose times are given."""

from runs import thread_trial
from runs.thread_trial import ThreadTrial


class Machine:
    """A clock, and steps that take `seconds[threads]`."""

    def __init__(self, seconds):
        self.seconds, self.now, self.threads, self.changes = seconds, 0.0, None, 0

    def use(self, count):
        self.threads = count
        self.changes += 1

    def clock(self):
        return self.now

    def step(self, factor=1.0):
        self.now += self.seconds[self.threads] * factor
        return self.threads


def trial_on(seconds):
    machine = Machine(seconds)
    return machine, ThreadTrial((2, 1), machine.use, machine.clock)


def run_for(machine, trial, seconds):
    """Threads of every step."""
    end, used = machine.now + seconds, []
    while machine.now < end:
        used.append(trial.run(machine.step))
    return used


def test_the_faster_number_wins_and_stays():
    for seconds, best in (({1: 0.04, 2: 0.03}, 2), ({1: 0.04, 2: 0.5}, 1), ({1: 3.0, 2: 2.0}, 2), ({1: 2.0, 2: 3.0}, 1)):
        machine, trial = trial_on(seconds)
        run_for(machine, trial, 1.2 + 12 * max(seconds.values()))
        assert set(run_for(machine, trial, 100)) == {best} == {trial.threads}


def test_steps_that_compile_do_not_count():
    machine, trial = trial_on({1: 0.02, 2: 0.01})
    changes = 0
    while machine.now < 300:
        compiles, changes = machine.changes > changes, machine.changes
        trial.run(machine.step, 500.0 if compiles and machine.threads == 2 else 1.0)
    assert trial.threads == 2


def test_another_trial_when_it_becomes_slower():
    machine, trial = trial_on({1: 0.04, 2: 0.03})
    run_for(machine, trial, 10)
    assert trial.threads == 2
    machine.seconds = {1: 0.05, 2: 0.5}
    run_for(machine, trial, 40)
    assert trial.threads == 1
    assert set(run_for(machine, trial, 100)) == {1}


def test_and_after_a_while_for_the_other_program_may_have_ended():
    machine, trial = trial_on({1: 0.05, 2: 0.5})
    run_for(machine, trial, 10)
    machine.seconds = {1: 0.05, 2: 0.03}
    run_for(machine, trial, thread_trial.AGAIN + 10)
    assert trial.threads == 2


def test_the_steps_get_their_arguments_and_give_their_results():
    _, trial = trial_on({1: 1.0, 2: 1.0})
    assert trial.run(lambda a, b: a + b, 1, 2) == 3
