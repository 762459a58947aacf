import nnabla as nn
import numpy as np
import pytest

from training.divergence import Diverged, MiniBatchMeans, expect_finite

NAN, INF = float("nan"), float("inf")


def array(value):
    return nn.NdArray.from_numpy_array(np.array([value], np.float32))


def admit(measured, loss, wrong=0.5, norm=1.0):
    return measured.admit([array(loss), array(wrong)], guards=[array(norm)])


@pytest.mark.parametrize("deferred", [False, True])
def test_means_since_reset(deferred):
    measured = MiniBatchMeans(("loss", "wrong"), 3, deferred)
    assert admit(measured, 9.0)
    measured.reset()
    assert admit(measured, 1.0) and admit(measured, 3.0, 0.25)
    assert measured.means() == {"loss": 2.0, "wrong": 0.375}
    assert admit(measured, 5.0, 0.0)
    assert measured.means() == {"loss": 3.0, "wrong": 0.25}


@pytest.mark.parametrize("values", [(NAN,), (INF,), (1.0, NAN), (1.0, 0.5, NAN), (1.0, 0.5, INF)])
def test_what_is_not_finite_is_refused_counted_and_left_out(values):
    measured = MiniBatchMeans(("loss", "wrong"), 3, deferred=False)
    assert admit(measured, 2.0)
    assert not admit(measured, *values)
    assert measured.means() == {"loss": 2.0, "wrong": 0.5, "skipped": 1}
    measured.reset()
    assert admit(measured, 1.0) and "skipped" not in measured.means()


def test_too_many_in_a_row_end_the_training():
    measured = MiniBatchMeans(("loss", "wrong"), 3, deferred=False)
    for _ in range(4):
        assert not admit(measured, NAN) and not admit(measured, NAN) and admit(measured, 1.0)
    measured.reset()  # a new epoch is no new row
    assert not admit(measured, NAN) and not admit(measured, NAN)
    with pytest.raises(Diverged, match="3 mini-batches in a row"):
        admit(measured, NAN)


def test_where_all_were_skipped_there_is_no_mean():
    measured = MiniBatchMeans(("loss", "wrong"), 3, deferred=False)
    admit(measured, NAN)
    assert measured.means() == {"skipped": 1}


def test_the_row_goes_on_after_a_resume():
    measured = MiniBatchMeans(("loss", "wrong"), 2, deferred=False)
    admit(measured, 1.0)
    admit(measured, NAN)
    other = MiniBatchMeans(("loss", "wrong"), 2, deferred=False)
    other.restore(measured.state())
    assert other.means() == measured.means() == {"loss": 1.0, "wrong": 0.5, "skipped": 1}
    with pytest.raises(Diverged):
        admit(other, NAN)


@pytest.mark.parametrize("ask", ["means", "state", "reset"])
def test_on_a_gpu_the_numbers_are_looked_at_when_asked_for(ask):
    measured = MiniBatchMeans(("loss", "wrong"), 3, deferred=True)
    assert admit(measured, 1.0) and admit(measured, 1.0, norm=NAN) and admit(measured, 1.0)
    with pytest.raises(Diverged):
        getattr(measured, ask)()


def test_on_the_cpu_what_the_forward_pass_has_spoilt_is_put_back():
    variable = nn.Variable.from_numpy_array(np.arange(3.0))
    put_back = MiniBatchMeans(("loss",), 3, deferred=False).keep([variable])
    variable.d[...] = NAN
    put_back()
    assert variable.d.tolist() == [0, 1, 2]


def test_arrays_are_looked_at_before_they_are_written():
    expect_finite({"W": np.ones(3), "step": np.array(3)}, "child")
    with pytest.raises(Diverged, match="W of the child"):
        expect_finite({"W": np.array([1, INF])}, "child")
