"""Time and memory of one training step of a final network in plain PyTorch.

    PYTHON -m benchmarks.torch_step --space macro --threads 2 --json
    PYTHON -m benchmarks.torch_step --space micro --device cuda --repeat 200 --json

PYTHON is one that has PyTorch and NumPy; NNabla is not needed. A step is what retraining does: prepare the images (the same
NumPy functions as ours: random crop, mirror image), forward, backward, clip the gradients' norm, Nesterov momentum with weight
decay. Medians; the first step warms up and does not count. Every --layout runs by itself, for the peak of memory.

With --device cuda the images are on the device from the start, and the steps follow one another without waiting: their mean
counts, after ten that warm up. Convolutions are in float32 then, as NNabla's are, and not in TF32.
"""

import argparse
import json
import resource
import statistics
import sys
import time

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from benchmarks import workload
from benchmarks.torch_networks import MacroNetwork, MicroNetwork
from datasets.batches import Augmentation, training_batch

FORMATS = {"NCHW": torch.contiguous_format, "NHWC": torch.channels_last}


def main():
    """Print what a step of PyTorch takes."""
    options = _parse()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    network = make_network(options.space, options.architecture, options.output_filter)
    network = network.to(options.device, memory_format=FORMATS[options.layout])
    if options.compare:
        print(json.dumps({"difference": difference(network, options.compare, FORMATS[options.layout])}))
        return 0
    on_cpu = options.device == "cpu"
    train = _trainer(network, torch.compile(network) if options.compile else network)
    compiling = compile_seconds(train, options) if options.compile else 0.0
    seconds = statistics.median(step_times(train, options)) if on_cpu else sustained_seconds(train, options)
    parameters, multiply_adds = cost(network.to("cpu"))
    result = {
        "name": options.name,
        "train_iteration_seconds": seconds,
        "compile_seconds": compiling,
        "peak_memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
        "images_per_second": options.batch_size / seconds,
        "parameters": parameters,
        "multiply_adds": multiply_adds,
        "layout": options.layout,
        "threads": options.threads,
        "device": "cpu" if on_cpu else torch.cuda.get_device_name(),
        "torch": torch.__version__,
    }
    print(json.dumps(result) if options.json else "\n".join(f"{name}: {value}" for name, value in result.items()))
    return 0


def _parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--space", choices=tuple(workload.SPACES), default="macro")
    parser.add_argument("--architecture", default="random", metavar="NAME", help="random, published, or an architecture file")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--output-filter", type=int, help="filters of the first layer or cell (36 macro, 20 micro)")
    parser.add_argument("--layout", choices=tuple(FORMATS), default="NHWC", help="PyTorch's memory format")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--name", help="of the row in a summary of benchmarks.throughput")
    parser.add_argument("--repeat", type=int, default=5, help="steps measured")
    parser.add_argument("--compile", action="store_true", help="with torch.compile (it needs a C++ compiler)")
    parser.add_argument("--compare", metavar="FILE", help="measure nothing: compare the logits with those in a .npz")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    options.output_filter = options.output_filter or workload.FILTERS[options.space]
    return options


def make_network(space, architecture, filters):
    """The final network, its layers made."""
    architecture, settings = workload.find_architecture(space, architecture), workload.FINAL[space]
    if space == "macro":
        network = MacroNetwork(architecture, filters, settings)
    else:
        network = MicroNetwork(architecture, filters, workload.CELLS, settings)
    network(torch.zeros(2, 3, 32, 32))
    return network


def compile_seconds(train, options):
    """Seconds of the first step, which compiles forward and backward pass."""
    start = time.perf_counter()
    train(*(array.to(options.device) for array in _preparer(options)(0)))
    return time.perf_counter() - start


def step_times(train, options):
    """Seconds of each of `options.repeat` training steps."""
    prepare = _preparer(options)
    return workload.times(options.repeat, lambda number: train(*prepare(number)).item())


def sustained_seconds(train, options):
    """Mean seconds of `options.repeat` training steps on a GPU that follow one another."""
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.benchmark = True
    prepare = _preparer(options)
    batches = [[array.to(options.device) for array in prepare(number)] for number in range(10)]
    for batch in batches:
        train(*batch)
    torch.cuda.synchronize()
    start = time.perf_counter()
    for number in range(options.repeat):
        train(*batches[number % len(batches)])
    torch.cuda.synchronize()
    return (time.perf_counter() - start) / options.repeat


def _preparer(options):
    """The function that gives images and labels of mini-batch `number`."""
    split, normalizer = workload.random_images(options.batch_size)

    def prepare(number):
        rng = np.random.default_rng(number)
        indices = rng.permutation(options.batch_size)
        images, labels = training_batch(split, normalizer, indices, rng, Augmentation(workload.PAD, flip=True))
        return torch.from_numpy(images).contiguous(memory_format=FORMATS[options.layout]), torch.from_numpy(labels).long()

    return prepare


def _trainer(network, forward):
    """The function that moves the weights on images and labels and gives the loss; `forward`: the network, perhaps compiled."""
    optimizer = torch.optim.SGD(
        network.parameters(), workload.RATE, workload.MOMENTUM, weight_decay=workload.WEIGHT_DECAY, nesterov=True
    )
    weight = network.settings.auxiliary_weight
    network.train()

    def train(images, labels):
        logits, auxiliary = forward(images)
        loss = F.cross_entropy(logits, labels)
        if auxiliary is not None:
            loss = loss + weight * F.cross_entropy(auxiliary, labels)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), workload.CLIP)
        optimizer.step()
        return loss.detach()

    return train


def cost(network):
    """Parameters and multiply-adds of one image in evaluation, without the auxiliary head."""
    counts = []

    def count(module, inputs, output):
        counts.append(output.numel() * module.weight[0].numel())

    handles = [m.register_forward_hook(count) for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    with torch.no_grad():
        network.eval()(torch.zeros(1, 3, 32, 32))
    for handle in handles:
        handle.remove()
    return sum(p.numel() for name, p in network.named_parameters() if "auxiliary" not in name), sum(counts)


def difference(network, path, memory_format):
    """Greatest difference of the logits from ours, relative to the greatest of them; `path` holds images, logits and weights."""
    with np.load(path, allow_pickle=False) as file:
        arrays = dict(file)
    images, logits = arrays.pop("images"), arrays.pop("logits")
    with torch.no_grad():
        network.load(arrays)
        found = network.eval()(torch.from_numpy(images).contiguous(memory_format=memory_format))[0].numpy()
    return float(np.abs(found - logits).max() / np.abs(logits).max())


if __name__ == "__main__":
    sys.exit(main())
