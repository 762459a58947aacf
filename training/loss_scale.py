"""Loss scaling: half precision knows nothing below 6e-8, so gradients are computed of a multiple of the loss, then divided.

Micikevicius et al., Mixed Precision Training (arXiv:1710.03740), section 3.2, with the multiple found as training goes.
"""

import math

import numpy as np

FIRST, LOWEST, HIGHEST = 2.0**10, 1.0, 2.0**15  # the greatest number in half precision is 65504
INTERVAL = 2000  # steps without overflow after which the multiple is doubled; as NNabla's own updater


class LossScale:
    """The multiple of the loss: halved when a gradient overflows, doubled after `INTERVAL` steps in which none does.

    A scale that is not `active` is 1 and stays so. An active one costs a look at two numbers in every step, for which the
    host waits for the device.
    """

    def __init__(self, active):
        self.active = active
        self.value = FIRST if active else 1.0
        self._good = 0  # steps since the value has changed

    def overflows(self, loss, norm):
        """Must this step be skipped? `loss`, `norm` of all gradients: NdArrays of one element.

        Only what a smaller multiple can mend is an overflow: the loss itself, which is not scaled, must be finite.
        """
        if not self.active:
            return False
        if math.isfinite(norm.data.item()):
            self._good += 1
            if self._good >= INTERVAL:
                self._set(min(2 * self.value, HIGHEST))
            return False
        if self.value <= LOWEST or not math.isfinite(loss.data.item()):
            return False
        self._set(self.value / 2)
        return True

    def _set(self, value):
        self.value, self._good = value, 0

    def figures(self):
        """Dict to show: the scale, nothing if it is not active."""
        return {"loss scale": self.value} if self.active else {}

    def state(self):
        """Groups of arrays for a checkpoint; none if it is not active."""
        return {"loss_scale": {"value": np.array(self.value), "good": np.array(self._good)}} if self.active else {}

    def restore(self, groups):
        """Take up a `state()` out of all groups of a checkpoint."""
        if self.active:
            self.value, self._good = float(groups["loss_scale"]["value"]), int(groups["loss_scale"]["good"])
