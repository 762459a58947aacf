"""--controller-start: iterations in which the shared weights are trained and the controller does not learn yet."""

import pytest

from tests import toys


class Watched(toys.ToyPolicy):
    """Notes when it learned."""

    def __init__(self):
        super().__init__()
        self.learned = []

    def update(self, purpose, iteration, update, *, qualities):
        self.learned.append((iteration, update))
        return super().update(purpose, iteration, update, qualities=qualities)


class Deaf(toys.ToyPolicy):
    """Never learns."""

    def update(self, *_, qualities):
        return {"reward": 0.0}


def search(folder, policy=None, **changes):
    """(policy, indices of the rewards' curve, derived architectures, four in each) of three iterations."""
    folder.mkdir()
    config = toys.configured(max_search_iter=3, num_derive=4, recommended_arch=str(folder / "arch.npy"), **changes)
    policy = policy or Watched()
    with toys.open_run(folder) as run:
        run.report = toys.ToyReport(run.path)
        toys.make_search(config, run, policy).run()
        series = (run.path / "Controller-reward.series.txt").read_text().splitlines()
        rows = (run.path / "architectures.csv").read_text().splitlines()[1:]
    return policy, [int(line.split()[0]) for line in series], [row.split(",")[-1] for row in rows]


def test_rounds_without_the_controller_do_not_tell_how_long_the_others_take(tmp_path, monkeypatch):
    left, update = [], toys.ToyReport.update
    monkeypatch.setattr(toys.ToyReport, "update", lambda self, *seconds: (left.extend(seconds), update(self)))
    search(tmp_path / "late", controller_start=2)
    assert left[:2] == [None, None] and left[2] is not None


@pytest.mark.parametrize("schedule", ["alternating", "best-candidate"])
def test_the_controller_learns_from_that_iteration_on(tmp_path, schedule):
    policy, curve, _ = search(tmp_path / "late", schedule=schedule, controller_start=1)
    assert policy.learned == [(1, 0), (2, 0)] and curve == [1, 2]
    policy, curve, _ = search(tmp_path / "at-once", schedule=schedule)
    assert policy.learned == [(0, 0), (1, 0), (2, 0)] and curve == [0, 1, 2]


def test_until_then_the_policy_stays_as_it_began(tmp_path):
    """The toy's samples change with every update."""
    late, at_once = (search(tmp_path / name, controller_start=start)[2] for name, start in (("late", 2), ("at-once", 0)))
    deaf = search(tmp_path / "deaf", policy=Deaf())[2]
    assert late[:8] == deaf[:8] and late[8:] != deaf[8:]
    assert at_once[:4] != deaf[:4]
