import pytest

from benchmarks.scaling import Cluster, step_seconds

RING = Cluster("4 GPUs", 1, 4, inside=1e9, between=0.0, latency=0.001)
MACHINES = Cluster("2 x 4 GPUs", 2, 4, inside=1e9, between=1e8, latency=0.0)


def test_a_ring_sends_every_part_twice_around_but_for_one_step():
    assert RING.all_reduce_seconds(4e6) == pytest.approx(2 * 3 * (1e6 / 1e9 + 0.001))


def test_between_machines_the_slowest_link_counts():
    assert MACHINES.all_reduce_seconds(8e6) == pytest.approx(2 * 7 * 1e6 / 1e8)


def test_the_computation_is_shared_out_and_the_host_is_not():
    assert step_seconds(1.0, 0.2, 0, MACHINES) == pytest.approx(0.2)
    assert step_seconds(4.0, 0.2, 0, MACHINES) == pytest.approx(0.5)
