"""The final macro and micro networks in plain PyTorch, to be timed beside ours. Needs PyTorch, no NNabla.

Parameters have the names that they have in models/macro_cnn.py and models/micro_cnn.py, and the same shapes, but for the affine
layers, whose weights are transposed. What a network computes is described there.
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from benchmarks.workload import CLASSES
from search_spaces.macro import reduction_layers
from search_spaces.micro import loose_ends

BATCH_NORM = {"weight": "gamma", "bias": "beta", "running_mean": "mean", "running_var": "var"}


class Layers(nn.Module):
    """The layers by name, each made at its first use."""

    def __init__(self):
        super().__init__()
        self.parts = nn.ModuleDict()

    def _part(self, name, make):
        if name not in self.parts:
            self.parts[name] = make()
        return self.parts[name]

    def convolution(self, x, name, filters, kernel, stride=1, groups=1, same=True):
        """Padding as TensorFlow's "same", or none; stride 2 is for even sizes."""
        before, after = ((kernel - stride) // 2, (kernel - stride + 1) // 2) if same and kernel > 1 else (0, 0)
        if before != after:
            x, before = F.pad(x, (before, after, before, after)), 0
        key = (x.shape[1], filters, kernel, stride, before)
        return self._part(name, lambda: nn.Conv2d(*key, groups=groups, bias=False))(x)

    def normalization(self, x, name, activate=False):
        x = self._part(name, lambda: nn.BatchNorm2d(x.shape[1]))(x)
        return F.relu(x, inplace=True) if activate else x

    def separable_convolution(self, x, name, filters, kernel, stride=1):
        x = self.convolution(x, f"{name}/depthwise", x.shape[1], kernel, stride, groups=x.shape[1])
        return self.convolution(x, f"{name}/pointwise", filters, 1)

    def factorized_reduction(self, x, name, filters):
        even = self.convolution(x, f"{name}/path1", filters // 2, 1, 2)
        odd = self.convolution(x[:, :, 1:, 1:], f"{name}/path2", filters // 2, 1, 2)
        return self.normalization(torch.cat((even, odd), 1), f"{name}/bn")

    def pooling(self, x, operation, stride=1):
        window = {"kernel_size": 3, "stride": stride, "padding": 2 - stride, "ceil_mode": stride == 2}
        if operation.startswith("max"):
            return F.max_pool2d(x, **window)
        return F.avg_pool2d(x, **window, count_include_pad=False)

    def classifier(self, x, name, keep_rate=1.0):
        x = F.dropout(x.mean((2, 3)), 1 - keep_rate, self.training)
        return self._part(name, lambda: nn.Linear(x.shape[1], CLASSES, bias=False))(x)

    def load(self, arrays):
        """Take the values of our parameters in evaluation (dict of name -> array): all but those of the auxiliary head.

        Raises KeyError if names, or ValueError if sizes differ.
        """
        used = {key: value for key, value in self.state_dict().items() if not key.endswith("num_batches_tracked")}
        state = dict(_ours(key, value) for key, value in used.items() if not key.startswith("parts.auxiliary"))
        if set(state) != set(arrays):
            raise KeyError(f"parameters of one network only: {sorted(set(state) ^ set(arrays))}")
        for name, value in state.items():
            array = arrays[name].T if name.endswith("fc/W") else arrays[name]
            if array.size != value.numel():
                raise ValueError(f"{name}: {tuple(value.shape)} here, {array.shape} there")
            value.copy_(torch.from_numpy(np.ascontiguousarray(array)).reshape(value.shape))


def _ours(key, value):
    """Our name of an entry of `state_dict`."""
    layer, _, kind = key.removeprefix("parts.").rpartition(".")
    return f"{layer}/{BATCH_NORM[kind] if layer.endswith('bn') else 'W'}", value


class MacroNetwork(Layers):
    """`MacroArchitecture` with `filters` filters in its first third."""

    def __init__(self, architecture, filters, settings):
        super().__init__()
        self.architecture, self.filters, self.settings = architecture, filters, settings

    def forward(self, x):
        """Images (batch, 3, height, width) -> logits, None."""
        x = self.normalization(self.convolution(x, "stem", self.filters, 3), "stem/bn")
        outputs, level, filters = [{0: x}], 0, self.filters
        for index, (operation, skips) in enumerate(zip(self.architecture.operations, self.architecture.skips, strict=True)):
            read = [self._stored(outputs, i, level) for i, bit in enumerate(skips) if bit]
            x = self._operation(self._stored(outputs, -1, level), f"layer_{index}", operation, filters)
            if index:
                x = F.relu(torch.cat((*read, x), 1), inplace=True)
                x = self.normalization(self.convolution(x, f"layer_{index}/skip", filters, 1), f"layer_{index}/skip/bn")
            outputs.append({level: x})
            if index in reduction_layers(self.architecture.num_layers):
                level, filters = level + 1, 2 * filters
        return self.classifier(x, "fc", self.settings.keep_rate), None

    def _stored(self, outputs, index, level):
        """An earlier output, brought to the size of a level at its first use there."""
        if level not in outputs[index]:
            x, index = self._stored(outputs, index, level - 1), index % len(outputs)
            name = f"reduction_{level}/from_{index}"
            outputs[index][level] = self.factorized_reduction(x, name, self.filters * 2**level)
        return outputs[index][level]

    def _operation(self, x, name, operation, filters):
        name = f"{name}/{operation}"
        x = self.convolution(F.relu(x), f"{name}/conv1x1", filters, 1)
        x = self.normalization(x, f"{name}/conv1x1/bn", activate=True)
        if "pool" in operation:
            return self.pooling(x, operation)
        convolution = self.separable_convolution if operation.startswith("sep") else self.convolution
        return self.normalization(convolution(x, name, filters, int(operation[-1])), f"{name}/bn")


class MicroNetwork(Layers):
    """`MicroArchitecture` stacked to `layers` + 2 cells, `filters` filters in the first ones."""

    def __init__(self, architecture, filters, layers, settings):
        super().__init__()
        self.architecture, self.filters, self.layers, self.settings = architecture, filters, layers, settings
        self.reductions = layers // 3, 2 * (layers // 3) + 1

    def forward(self, x):
        """Images (batch, 3, height, width) -> logits, those of the auxiliary head when training or None."""
        x = self.normalization(self.convolution(x, "stem", 3 * self.filters, 3), "stem/bn")
        inputs, auxiliary = (x, x), None
        for index in range(self.layers + 2):
            inputs = inputs[1], self._cell(index, *inputs)
            if self.training and self.settings.auxiliary_weight and index == self.reductions[1] + 1:
                auxiliary = self._auxiliary(inputs[1])
        return self.classifier(F.relu(inputs[1]), "fc", self.settings.keep_rate), auxiliary

    def _cell(self, index, before, last):
        reduces, name = index in self.reductions, f"cell_{index}"
        filters = self.filters * 2 ** sum(reduction <= index for reduction in self.reductions)
        if before.shape[2] != last.shape[2]:
            before = self.factorized_reduction(F.relu(before), f"{name}/calibrate/before", filters)
        elif before.shape[1] != filters:
            before = self._adapt(before, f"{name}/calibrate/before", filters)
        if last.shape[1] != filters:
            last = self._adapt(last, f"{name}/calibrate/last", filters)
        tensors = [before, self._adapt(last, f"{name}/base", filters)]
        nodes = self.architecture.reduction if reduces else self.architecture.normal
        for number, node in enumerate(nodes):
            sides = (("x", node.input_x, node.operation_x), ("y", node.input_y, node.operation_y))
            x, y = (
                self._operation(tensors[i], f"{name}/node_{number}/{side}/{operation}", operation, filters,
                                2 if reduces and i < 2 else 1, index)
                for side, i, operation in sides
            )  # fmt: skip
            tensors.append(x + y)
        ends = [self._end(tensors[i], i, reduces, f"{name}/output/from_{i}", filters) for i in loose_ends(nodes)]
        return torch.cat(ends, 1)

    def _adapt(self, x, name, filters):
        return self.normalization(self.convolution(F.relu(x), name, filters, 1), f"{name}/bn")

    def _end(self, x, number, reduces, name, filters):
        return self.factorized_reduction(x, name, filters) if reduces and number < 2 else x

    def _operation(self, x, name, operation, filters, stride, index):
        if operation == "identity":
            return x if stride == 1 else self.factorized_reduction(x, name, filters)
        if "pool" in operation:
            x = self.pooling(x, operation, stride)
        else:
            x, kernel = F.relu(x), int(operation[-1])
            x = self.separable_convolution(x, f"{name}/stack_0", filters, kernel, stride)
            x = self.normalization(x, f"{name}/stack_0/bn", activate=True)
            x = self.separable_convolution(x, f"{name}/stack_1", filters, kernel)
            x = self.normalization(x, f"{name}/stack_1/bn")
        return self._drop_path(x, index)

    def _drop_path(self, x, index):
        """As at the end of training."""
        keep_rate = 1 - (1 - self.settings.drop_path_keep_rate) * (index + 1) / (self.layers + 2)
        if not self.training or keep_rate == 1:
            return x
        return x * (torch.rand(len(x), 1, 1, 1, device=x.device) < keep_rate).float().div_(keep_rate)

    def _auxiliary(self, x):
        x = F.avg_pool2d(F.relu(x), min(5, x.shape[2]), 3)
        x = self.convolution(x, "auxiliary/conv1x1", 128, 1)
        x = self.normalization(x, "auxiliary/conv1x1/bn", activate=True)
        x = self.convolution(x, "auxiliary/map", 768, x.shape[2], same=False)
        x = self.normalization(x, "auxiliary/map/bn", activate=True)
        return self.classifier(x, "auxiliary/fc")
