"""As much of PyTorch as exported modules use, on NumPy arrays and forward alone: they run where PyTorch is not installed."""

import contextlib
import runpy
import sys
from types import ModuleType, SimpleNamespace

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view


class Tensor(np.ndarray):
    def to(self, dtype):
        return self.astype(dtype)

    def chunk(self, count, dim):
        return np.split(self, count, dim)

    def new_zeros(self, *shape):
        return np.zeros(shape, np.float32).view(Tensor)


def tensor(values):
    array = np.array(values)
    return (array.astype(np.float32) if array.dtype.kind == "f" else array).view(Tensor)


class Module:
    """Its tensors are those of its attributes, by name."""

    def __call__(self, *inputs):
        return self.forward(*inputs)

    def register_buffer(self, name, value, persistent):
        assert not persistent
        vars(self)[name] = Buffer(value)

    def __getattribute__(self, name):
        value = object.__getattribute__(self, name)
        return value.value if isinstance(value, Buffer) else value

    def state(self, prefix=""):
        """Dict of name -> (module, attribute) of every weight."""
        found = {}
        for name, value in vars(self).items():
            if isinstance(value, Module):
                found |= value.state(f"{prefix}{name}.")
            elif isinstance(value, np.ndarray):
                found[f"{prefix}{name}"] = self, name
        return found

    def load_state_dict(self, tensors):
        places = self.state()
        assert places.keys() == tensors.keys(), places.keys() ^ tensors.keys()
        for name, (module, attribute) in places.items():
            assert getattr(module, attribute).shape == tensors[name].shape, name
            setattr(module, attribute, tensors[name])

    def eval(self):
        return self


class Buffer:
    """A tensor that is no weight."""

    def __init__(self, value):
        self.value = value


class Sequential(Module):
    def __init__(self, *modules):
        vars(self).update({str(number): module for number, module in enumerate(modules)})

    def __iter__(self):
        return iter(vars(self).values())

    def forward(self, x):
        for module in self:
            x = module(x)
        return x


class Conv2d(Module):
    def __init__(self, inputs, outputs, kernel, stride=1, dilation=1, groups=1, bias=True):
        assert not bias
        self.kernel_size, self.stride, self.dilation, self.groups = (kernel,) * 2, (stride,) * 2, (dilation,) * 2, groups
        self.weight = tensor(np.zeros((outputs, inputs // groups, kernel, kernel)))

    def forward(self, x):
        (step, _), (apart, _), (kernel, _) = self.stride, self.dilation, self.kernel_size
        extent = (kernel - 1) * apart + 1
        windows = sliding_window_view(x, (extent, extent), (2, 3))[:, :, ::step, ::step, ::apart, ::apart]
        windows = np.stack(np.split(windows, self.groups, 1), 1)  # (batch, group, inputs, height, width, kernel, kernel)
        weight = np.stack(np.split(self.weight, self.groups))
        y = np.einsum("bgihwkl,goikl->bgohw", windows, weight, optimize=True)
        return y.reshape(len(x), -1, *y.shape[3:]).view(Tensor)


class BatchNorm2d(Module):
    def __init__(self, channels, eps=1e-5):
        self.eps = eps
        self.weight, self.bias, self.running_mean, self.running_var = (tensor(np.zeros(channels)) for _ in range(4))

    def forward(self, x):
        scale = self.weight / np.sqrt(self.running_var + np.float32(self.eps))
        return x * scale[:, None, None] + (self.bias - self.running_mean * scale)[:, None, None]


class Linear(Module):
    def __init__(self, inputs, outputs, bias=True):
        assert not bias
        self.weight = tensor(np.zeros((outputs, inputs)))

    def forward(self, x):
        return x @ self.weight.T


class Embedding(Module):
    def __init__(self, count, size):
        self.embedding_dim, self.weight = size, tensor(np.zeros((count, size)))

    def forward(self, numbers):
        return self.weight[numbers]


class Identity(Module):
    def forward(self, x):
        return x


class ReLU(Module):
    def forward(self, x):
        return relu(x)


def relu(x):
    return np.maximum(x, 0)


def pad(x, widths):
    left, right, above, below = widths
    return np.pad(x, ((0, 0), (0, 0), (above, below), (left, right))).view(Tensor)


def pooled(x, stride, before, combine):
    """`combine` over 3x3 windows that are cut at the border; the last ones may reach beyond it."""
    after = [(-(length + pad - 3) % stride) + pad for length, pad in zip(x.shape[2:], before, strict=True)]
    widths = ((0, 0), (0, 0), *zip(before, after, strict=True))
    padded = np.pad(x, widths, constant_values=np.nan)
    windows = sliding_window_view(padded, (3, 3), (2, 3))[:, :, ::stride, ::stride]
    return combine(windows, axis=(4, 5))[:, :, : -(-x.shape[2] // stride), : -(-x.shape[3] // stride)].view(Tensor)


def max_pool2d(x, kernel, stride, before, ceil_mode):
    assert kernel == 3 and ceil_mode
    return pooled(x, stride, before, np.nanmax)


def avg_pool2d(x, kernel, stride, before, ceil_mode, count_include_pad):
    assert kernel == 3 and ceil_mode and not count_include_pad
    return pooled(x, stride, before, np.nanmean)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def load_module(path, monkeypatch):
    """The names of an exported module that is run with this in place of PyTorch."""
    for name, module in modules().items():
        monkeypatch.setitem(sys.modules, name, module)
    return SimpleNamespace(**runpy.run_path(str(path)))


def modules():
    """Dict for sys.modules."""
    names = (Module, Sequential, Conv2d, BatchNorm2d, Linear, Embedding, Identity, ReLU)
    torch, nn, functional = ModuleType("torch"), ModuleType("torch.nn"), ModuleType("torch.nn.functional")
    vars(nn).update({each.__name__: each for each in names}, ModuleList=lambda each: Sequential(*each), functional=functional)
    vars(functional).update(relu=relu, pad=pad, max_pool2d=max_pool2d, avg_pool2d=avg_pool2d)
    vars(torch).update(
        nn=nn, tensor=tensor, float32=np.float32, uint8=np.uint8, relu=relu, tanh=np.tanh, sigmoid=sigmoid,
        no_grad=contextlib.nullcontext,
        frombuffer=lambda *given, **more: np.frombuffer(*given, **more).view(Tensor),
        cat=lambda tensors, axis: np.concatenate(tensors, axis).view(Tensor),
        stack=lambda tensors: np.stack(tensors).view(Tensor),
    )  # fmt: skip
    return {"torch": torch, "torch.nn": nn, "torch.nn.functional": functional}
