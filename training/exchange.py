"""From the gradients of one process to the clipped gradients of all of them.

On the CPU each array is treated by itself. On a device everything that a step gives lies in one array: one message to the other
processes and a handful of kernels instead of several for each of up to a thousand arrays. Where an optimizer takes the gradients
packed, as in a retraining, they are not even put back.
"""

import nnabla as nn
import nnabla.function
import nnabla.functions as F

from training.host_clipping import HostClipping
from training.optimizers import GlobalNormClipping, clipping_factor
from training.precision import full_precision

LARGEST = 65536  # elements of an array that holds one number in all of them


class HostExchange:
    """Array by array."""

    def __init__(self, processes, clipping=GlobalNormClipping):
        """`clipping`: one of `training.optimizers.CLIPPINGS`."""
        self._processes, self._by_tensor = processes, clipping is not GlobalNormClipping
        self._clipping = self._make_clipping(clipping)

    def _make_clipping(self, clipping):
        return HostClipping(self._by_tensor)

    def average(self, parameters, results):
        """Replace `results`, a list of NdArrays, by their means over the processes; it begins with the gradients of `parameters`.

        The gradients may wait for `clip` or `unpack`.
        """
        self._processes.average(results)

    def unpack(self):
        """Put the gradients where they belong, for whoever changes them before `clip`."""

    def clip(self, parameters, bound=None, loss_scale=1.0):
        """Clip the gradients of `parameters`, as `GlobalNormClipping`; returns their norm before, an NdArray of one element."""
        return self._clipping(parameters, bound, loss_scale)


class DeviceExchange(HostExchange):
    """All arrays of a step in one, in float32."""

    def __init__(self, processes, clipping=GlobalNormClipping):
        super().__init__(processes, clipping)
        self.keeps_packed = False  # do the clipped gradients stay in `packed` alone?
        self.packed = None  # NdArray (elements,)
        self._scaling = GradientScaling()
        self._waiting = None, []  # the packed means and the gradients in it that have not been put back

    def _make_clipping(self, clipping):
        return clipping()

    @full_precision()
    def average(self, parameters, results):
        if self._processes.size == 1:
            return
        packed, count = pack(results), len(parameters)
        self._processes.average_on_device(packed)
        self._waiting = packed, results[:count]
        _unpack(packed, results[count:], sum(array.size for array in results[:count]))

    @full_precision()
    def unpack(self):
        packed, gradients = self._waiting
        _unpack(packed, gradients)
        self._waiting = None, []

    @full_precision()
    def clip(self, parameters, bound=None, loss_scale=1.0):
        if self._by_tensor:
            self.unpack()
            norm = super().clip(parameters, bound, loss_scale)
            self.packed = pack([p.grad for p in parameters.values()]) if self.keeps_packed else None
            return norm
        packed, waiting = self._waiting
        packed = _first(packed, sum(array.size for array in waiting)) if waiting else pack([p.grad for p in parameters.values()])
        norm = F.mul_scalar(F.pow_scalar(F.sum(F.mul2(packed, packed), keepdims=True), 0.5), 1 / loss_scale)
        factor = clipping_factor(norm, bound, loss_scale)
        if self.keeps_packed:
            self.packed, self._waiting = F.mul2(packed, factor), (None, [])
        elif waiting:
            self._waiting = F.mul2(packed, factor), waiting
            self.unpack()
        elif bound is not None or loss_scale != 1:
            self._scaling(parameters, factor)
        return norm


class GradientScaling:
    """Multiplies gradients, each in its place, by a number that the device holds.

    A parameter's function is made when it is first in use and then only run: that takes the host a tenth of the time. The number
    lies in arrays as large as the gradients, for to spread it takes a function several times as long as to multiply.
    """

    def __init__(self):
        self._factors = {}  # elements -> Variable of so many, at most `LARGEST`, or of one
        self._products = {}  # name -> function, inputs, outputs

    @full_precision()
    def __call__(self, parameters, factor):
        """parameters: dict of name -> Variable; factor: NdArray (1,)."""
        products = [self._products.get(name) or self._add(name, variable) for name, variable in parameters.items()]
        for count in {inputs[1].size for _, inputs, _ in products}:
            F.broadcast(factor, (count,), outputs=[self._factors[count].data])
        for product, inputs, outputs in products:
            product.forward(inputs, outputs)

    def _add(self, name, parameter):
        array, count = parameter.grad, parameter.size if parameter.size <= LARGEST else 1
        gradient = nn.Variable((array.size,))
        gradient.data = array.view(gradient.shape)
        factor = self._factors.setdefault(count, nn.Variable((count,)))
        product = self._products[name] = nnabla.function.Mul2(nn.get_current_context(), False), (gradient, factor), (gradient,)
        product[0].setup(*product[1:])
        return product


def exchange(processes, clipping=GlobalNormClipping):
    """The exchange that fits where NNabla computes."""
    on_device = not nn.get_current_context().backend[0].startswith("cpu")
    return (DeviceExchange if on_device else HostExchange)(processes, clipping)


def pack(arrays):
    """All elements of NdArrays in one, (elements,)."""
    flat = [array.view((array.size,)) for array in arrays]
    return F.concatenate(*flat, axis=0) if len(flat) > 1 else F.identity(flat[0])


def _unpack(packed, arrays, start=0):
    """Fill `arrays` with the elements of `packed` from `start` on.

    As `F.slice` does, but without looking up the context for each of up to a thousand arrays.
    """
    context = nn.get_current_context()
    for array in arrays:
        count = array.size
        function = nnabla.function.Slice(context, (start,), (start + count,), (1,))
        function(packed, n_outputs=1, auto_forward=True, outputs=[array.view((count,))])
        start += count


def _first(packed, count):
    return packed if count == packed.size else F.slice(packed, (0,), (count,), (1,))

