"""Numbers that are not finite: the mini-batch is skipped, too many in a row end the training; none of them is a result."""

import nnabla as nn
import nnabla.functions as F
import numpy as np

GUARDED = "the loss, a gradient or a running statistic"  # of a step


class Diverged(Exception):  # noqa: N818 - the loops decide whether it is an error
    """Training cannot go on from the weights as they are; its text says why."""


class MiniBatchMeans:
    """What mini-batches measured since `reset`: means, and how many were skipped because something was not finite.

    On the CPU every mini-batch is looked at before its step (`admit`). On a GPU that would make each step wait for the host:
    the numbers are added up there and looked at when they are asked for, which is before anything is written. By then the
    weights have moved, so that one number that is not finite counts as `limit` skipped mini-batches.
    """

    def __init__(self, names, limit, deferred=None):
        """`deferred`: look at the numbers when they are asked for; by default (None) on a GPU."""
        self._names, self._limit = names, limit
        self._deferred = not nn.get_current_context().backend[0].startswith("cpu") if deferred is None else deferred
        self._sums = np.zeros(len(names) + 1)  # the last one counts
        self._on_device, self._one = None, None  # what the device has added up since, and a number to count with
        self._skipped, self._in_a_row = 0, 0
        self._lapped = self._sums.copy()  # the sums at the last `lap`

    def admit(self, values, guards=()):
        """Add what a mini-batch measured: NdArrays of one element, one per name; `guards` must be finite like them.

        Returns False when its step must be skipped. Raises `Diverged` when that comes `limit` times in a row.
        """
        if self._deferred:
            self._add_on_device([*values, *guards])
            return True
        numbers = np.array([array.data.item() for array in values])
        if np.isfinite(numbers).all() and all(np.isfinite(array.data).all() for array in guards):
            self._sums += [*numbers, 1]
            self._in_a_row = 0
            return True
        self._skip()
        return False

    def keep(self, variables):
        """A function that puts back what `variables` hold now, for when `admit` refuses."""
        if self._deferred:
            return lambda: None
        copies = [(variable.data, nn.NdArray(variable.shape)) for variable in variables]
        for data, copy in copies:
            copy.copy_from(data, use_current_context=False)

        def put_back():
            for data, copy in copies:
                data.copy_from(copy, use_current_context=False)

        return put_back

    def means(self):
        """Dict of name -> mean, and of "skipped" if any mini-batch was; no means if all were. Raises `Diverged` as `admit`."""
        self._fetch()
        *sums, count = self._sums
        means = {name: total / count for name, total in zip(self._names, sums, strict=True)} if count else {}
        return means | ({"skipped": self._skipped} if self._skipped else {})

    def lap(self):
        """Dict of name -> mean since the last `lap`, whatever was `reset` meanwhile; none if nothing was admitted."""
        self._fetch()
        *sums, count = self._sums - self._lapped
        self._lapped = self._sums.copy()
        return {name: total / count for name, total in zip(self._names, sums, strict=True)} if count else {}

    def reset(self):
        """Begin new means."""
        self._fetch()
        self._lapped -= self._sums
        self._sums[:], self._skipped = 0, 0

    def state(self):
        """Dict of arrays for a checkpoint. Raises `Diverged` as `admit`."""
        self._fetch()
        return {"sums": self._sums.copy(), "lapped": self._lapped.copy(), "skipped": np.array([self._skipped, self._in_a_row])}

    def restore(self, arrays):
        """Take up a `state()`."""
        self._sums, self._lapped = np.array(arrays["sums"]), np.array(arrays["lapped"])
        self._skipped, self._in_a_row = map(int, arrays["skipped"])

    def _skip(self):
        self._skipped += 1
        self._in_a_row += 1
        if self._in_a_row >= self._limit:
            raise Diverged(f"{GUARDED} was not finite in {self._in_a_row} mini-batches in a row")

    def _add_on_device(self, arrays):
        if self._one is None:
            self._one = nn.NdArray.from_numpy_array(np.ones(1, np.float32))
        row = F.concatenate(*(F.reshape(array, (1,)) for array in arrays), self._one, axis=0)
        self._on_device = row if self._on_device is None else F.add2(self._on_device, row)

    def _fetch(self):
        if self._on_device is None:
            return
        sums, self._on_device = self._on_device.data.astype(np.float64), None
        if not np.isfinite(sums).all():
            raise Diverged(f"{GUARDED} was not finite")
        self._sums += sums[[*range(len(self._names)), -1]]


def expect_finite(arrays, what):
    """Raises `Diverged` when a number in a dict of arrays or numbers is not finite."""
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise Diverged(f"{name} of the {what} was not finite")
