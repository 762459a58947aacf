"""Parts of image networks. The constants and `Network` are those of one exported network; what they are here is an example."""

import pathlib

import torch
from torch import nn
from torch.nn import functional as F

from deployment.torch_parts.files import read_safetensors

CLASSES, MEAN, STD = ("one", "other"), (0.5,), (0.25,)


def same_padding(size, kernel, stride):
    """Zeros before and after `size` pixels: "same" padding, where an odd pixel is at the end."""
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


class Convolution(nn.Conv2d):
    """Without bias, with "same" padding."""

    def __init__(self, inputs, filters, kernel, stride=1, dilation=1, groups=1):
        super().__init__(inputs, filters, kernel, stride, dilation=dilation, groups=groups, bias=False)

    def forward(self, x):
        extent = (self.kernel_size[0] - 1) * self.dilation[0] + 1
        above, below = same_padding(x.shape[2], extent, self.stride[0])
        left, right = same_padding(x.shape[3], extent, self.stride[0])
        return super().forward(F.pad(x, (left, right, above, below)))


class Separable(nn.Module):
    """Convolution of every channel by itself, then 1x1 of all."""

    def __init__(self, inputs, filters, kernel, stride=1, dilation=1):
        super().__init__()
        self.depthwise = Convolution(inputs, inputs, kernel, stride, dilation, groups=inputs)
        self.pointwise = Convolution(inputs, filters, 1)

    def forward(self, x):
        return self.pointwise(self.depthwise(x))


class MaxPool(nn.Module):
    """Maximum over 3x3 windows, "same" padding."""

    def __init__(self, stride=1):
        super().__init__()
        self.stride = stride

    def forward(self, x):
        before = [same_padding(size, 3, self.stride)[0] for size in x.shape[2:]]
        return F.max_pool2d(x, 3, self.stride, before, ceil_mode=True)


class AveragePool(nn.Module):
    """Mean over 3x3 windows, "same" padding, which does not count in the mean."""

    def __init__(self, stride=1):
        super().__init__()
        self.stride = stride

    def forward(self, x):
        before = [same_padding(size, 3, self.stride)[0] for size in x.shape[2:]]
        return F.avg_pool2d(x, 3, self.stride, before, ceil_mode=True, count_include_pad=False)


class Normalized(nn.Module):
    """A layer to `filters` channels, batch normalization, and ReLU if `activate`."""

    def __init__(self, filters, layer, activate=False, eps=1e-5):
        super().__init__()
        self.layer = layer
        self.bn = nn.BatchNorm2d(filters, eps)
        self.activate = activate

    def forward(self, x):
        x = self.bn(self.layer(x))
        return F.relu(x) if self.activate else x


class Halve(nn.Module):
    """Half the height and width (factorized reduction): one half of the channels sees the even pixels, the other the odd ones."""

    def __init__(self, inputs, filters):
        super().__init__()
        self.even = nn.Conv2d(inputs, filters // 2, 1, stride=2, bias=False)
        self.odd = nn.Conv2d(inputs, filters // 2, 1, stride=2, bias=False)
        self.bn = nn.BatchNorm2d(filters)

    def forward(self, x):
        shifted = F.pad(x, (0, x.shape[3] % 2, 0, x.shape[2] % 2))[:, :, 1:, 1:]
        return self.bn(torch.cat([self.even(x), self.odd(shifted)], 1))


class FirstLayer(nn.Module):
    """ReLU, 1x1 convolution, an operation."""

    def __init__(self, inputs, filters, operation):
        super().__init__()
        self.conv1x1 = Normalized(filters, Convolution(inputs, filters, 1), activate=True)
        self.operation = operation

    def forward(self, x):
        return self.operation(self.conv1x1(F.relu(x)))


class Layer(FirstLayer):
    """ReLU, 1x1 convolution, an operation; another 1x1 convolution mixes its result with the skip connections."""

    def __init__(self, inputs, filters, operation, skips):
        super().__init__(inputs, filters, operation)
        self.mix = Normalized(filters, Convolution((skips + 1) * filters, filters, 1))

    def forward(self, x, *skips):
        return self.mix(torch.cat([*map(F.relu, skips), super().forward(x)], 1))


class FirstSharedLayer(nn.Module):
    """1x1 convolution, an operation."""

    def __init__(self, filters, operation):
        super().__init__()
        self.conv1x1 = Normalized(filters, Convolution(filters, filters, 1), activate=True)
        self.operation = operation

    def forward(self, x):
        return self.operation(self.conv1x1(x))


class SharedLayer(FirstSharedLayer):
    """1x1 convolution, an operation; the skip connections are added to its result."""

    def __init__(self, filters, operation):
        super().__init__(filters, operation)
        self.bn = nn.BatchNorm2d(filters)

    def forward(self, x, *skips):
        return self.bn(sum(skips, super().forward(x)))


class Stack(nn.Sequential):
    """ReLU, a layer to `filters` channels, batch normalization; so for each of `layers`."""

    def __init__(self, filters, *layers):
        super().__init__(*(part for layer in layers for part in (nn.ReLU(), layer, nn.BatchNorm2d(filters))))


def adapted(inputs, filters, halve=False):
    """What brings a tensor to `filters` channels and, if `halve`, to half its size; nothing where it has them."""
    if halve:
        return nn.Sequential(nn.ReLU(), Halve(inputs, filters))
    return nn.Identity() if inputs == filters else Stack(filters, Convolution(inputs, filters, 1))


class ImageNetwork(nn.Module):
    """Takes images, gives logits: `features` and a classifier of their means over height and width."""

    def __init__(self, channels):
        super().__init__()
        self.register_buffer("mean", torch.tensor(MEAN).reshape(-1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(STD).reshape(-1, 1, 1), persistent=False)
        self.fc = nn.Linear(channels, len(CLASSES), bias=False)

    def normalize(self, pixels):
        """Pixels of 0 to 255 as the network was trained on them."""
        return (pixels.to(self.mean.dtype) / 255 - self.mean) / self.std

    def forward(self, images):
        """Logits (batch, classes) of (batch, channels, height, width): uint8 pixels, or floats that `normalize` has made."""
        if images.dtype == torch.uint8:
            images = self.normalize(images)
        return self.fc(self.features(images).mean((2, 3)))


class Network(ImageNetwork):
    """The exported network, in place of this one."""

    def __init__(self):
        super().__init__(len(MEAN))

    def features(self, images):
        return images


def load(path=None):
    """The trained network, in evaluation mode; `path`: its weights, by default the .safetensors file beside this one."""
    network = Network()
    network.load_state_dict(read_safetensors(path or pathlib.Path(__file__).with_suffix(".safetensors"))[0])
    return network.eval()
