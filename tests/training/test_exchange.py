"""On a device everything that a step gives is one array: one message, one norm, the same numbers as array by array."""


import nnabla as nn
import numpy as np
import pytest

import args
from benchmarks.option_task import make_task
from datasets.penn_treebank import TextDataset
from errors import UserError
from models import layers
from models.parameters import ParameterScope
from models.recurrent_lm import LanguageModel
from runs.parallel import MpiProcesses
from search_spaces.macro import MacroSpace
from search_spaces.recurrent import RecurrentSpace
from training import image_inputs
from training.exchange import DeviceExchange, GradientScaling, HostExchange, exchange
from training.image_task import ImageTask
from training.language_task import LanguageTask
from training.optimizers import CLIPPINGS, DecayingRate, LearningRate
from training.packed_momentum import PackedPlainMomentum
from training.processes import SINGLE, Processes
from training.randomness import generator

SHAPES = {"a": (3,), "b": (2, 3, 4, 5), "c": (7, 2), "d": ()}
IMAGES = "--preset quick --batch-size 8 --num-layers 3 --output-filter 4 --validation-size 8 --grad-clip-value 0.1"
TEXT = "--preset quick --batch-size 4 --hidden-size 8 --bptt 4 --weight-decay 0.01"
DEVICE = nn.Context(["cudnn:float", "cuda:float", "cpu:float"], "CpuCachedArray", "0")


class Pair(Processes):
    """One of two processes; the other one has three times its numbers. Counts messages."""

    size = 2

    def __init__(self):
        self.messages, self.elements = [], 0

    def rows(self, count):
        return slice(0, count // 2)

    def average(self, arrays):
        self.messages.append(len(arrays))
        self.elements = sum(array.size for array in arrays)
        for array in arrays:
            array.data = 2 * array.data

    def average_on_device(self, array):
        self.average([array])


def parameters():
    """Dict of name -> Variable with a gradient; the same at every call."""
    made = {}
    for name, shape in SHAPES.items():
        made[name] = nn.Variable(shape, need_grad=True)
        made[name].g = generator(0, name).standard_normal(shape)
    return made


def exchanged(kind, group, clip_norm="global", **clipping):
    """(gradients, others, norm)"""
    mine, others = parameters(), [nn.NdArray.from_numpy_array(np.array(value, np.float32)) for value in ([1.0, 2.0], 3.0)]
    found = kind(group, CLIPPINGS[clip_norm])
    found.average(mine, [*(parameter.grad for parameter in mine.values()), *others])
    norm = found.clip(mine, **clipping)
    return [parameter.g for parameter in mine.values()], [array.data for array in others], norm.data.item()


@pytest.mark.parametrize("clip_norm", ["global", "tensor"])
@pytest.mark.parametrize("group", [SINGLE, Pair()], ids=["alone", "pair"])
@pytest.mark.parametrize("clipping", [{}, {"bound": 1.0}, {"bound": 1e3}, {"loss_scale": 8.0}, {"bound": 0.5, "loss_scale": 8.0}])
def test_a_device_exchanges_the_numbers_of_the_host(clip_norm, group, clipping):
    found, wanted = (exchanged(kind, group, clip_norm, **clipping) for kind in (DeviceExchange, HostExchange))
    for one, other in zip(found[0] + found[1], wanted[0] + wanted[1], strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)
    assert found[2] == pytest.approx(wanted[2], rel=1e-6)
    assert (found[1][1] == 6) == (group is not SINGLE)


@pytest.mark.parametrize("largest", [1, 65536])
def test_scaling_of_gradients_follows_the_factor_and_leaves_others_alone(monkeypatch, largest):
    """`largest` 1: the factor is not spread but for single numbers."""
    monkeypatch.setattr("training.exchange.LARGEST", largest)
    mine, scaling = parameters(), GradientScaling()
    wanted = {name: parameter.g.astype(np.float32) for name, parameter in mine.items()}
    for factor, names in ((0.5, "abcd"), (3.0, "bd"), (0.25, "a")):
        scaling({name: mine[name] for name in names}, nn.NdArray.from_numpy_array(np.array([factor], np.float32)))
        for name in names:
            wanted[name] *= np.float32(factor)
    for name, parameter in mine.items():
        np.testing.assert_array_equal(parameter.g, wanted[name])


def test_gradients_that_are_changed_before_the_clipping():
    found = DeviceExchange(Pair())
    mine = parameters()
    found.average(mine, [parameter.grad for parameter in mine.values()])
    found.unpack()
    mine["a"].g = 0
    norm = found.clip(mine).data.item()
    others = [parameter.g for name, parameter in parameters().items() if name != "a"]
    assert norm == pytest.approx(2 * np.sqrt(sum((array**2).sum() for array in others)), rel=1e-6)
    assert (mine["a"].g == 0).all()


def image_task(processes):
    config = args.parse("macro", "search", IMAGES.split())
    task = make_task(config, 64)
    return ImageTask(task.network, task.data, config, LearningRate("constant", 0.1, 0, 1), layers.RUNNING, processes=processes)


def text_task(processes):
    config = args.parse("recurrent", "search", TEXT.split())
    tokens = np.random.default_rng(0).integers(12, size=400).astype(np.int32)
    text = TextDataset("random", tuple(map(str, range(12))), tokens, tokens, tokens)
    model, rate = LanguageModel(ParameterScope(), 12, 8, 0.1), DecayingRate(config.child_lr)
    return LanguageTask(model, text, config, rate, processes=processes)


TASKS = {"image": (image_task, MacroSpace(3)), "text": (text_task, RecurrentSpace(3))}


@pytest.mark.parametrize("kind", TASKS)
def test_a_step_on_a_device_is_one_message_of_one_array(kind, monkeypatch):
    """Gradients, running statistics and losses; the CPU's steps are alike."""
    monkeypatch.setattr(image_inputs, "DeviceImages", image_inputs.HostImages)
    make, space = TASKS[kind]
    weights, elements = [], set()
    for context in (DEVICE, nn.Context(["cpu:float"], "CpuCachedArray", "0")):
        group = Pair()
        with nn.context_scope(context):
            task = make(group)
            for step in range(3):
                task.trainer.train_step(space.random(np.random.default_rng(step)), 0, step)
        weights.append(task.network.scope.arrays())
        assert len(group.messages) == 3
        assert set(group.messages) == {1} if context is DEVICE else min(group.messages) > 5
        elements.add(group.elements)
    assert len(elements) == 1
    for name, array in weights[0].items():
        np.testing.assert_allclose(array, weights[1][name], rtol=1e-4, atol=1e-6, err_msg=name)


@pytest.mark.parametrize("options", ["", "--child-optimizer momentum --clip-norm tensor"])
@pytest.mark.parametrize("group", [SINGLE, Pair()], ids=["alone", "pair"])
def test_a_retraining_on_a_device_moves_the_weights_of_the_host(group, options, monkeypatch):
    """There all weights are packed; a checkpoint of either goes on as the other."""
    monkeypatch.setattr(image_inputs, "DeviceImages", image_inputs.HostImages)
    small = "--preset quick --batch-size 8 --output-filter 4 --additional-filters-on-retrain 0 --grad-clip-value 0.1"
    config = args.parse("macro", "retrain", f"{small} {options}".split())
    architecture, states = MacroSpace(3).random(np.random.default_rng(0)), []
    for context in (DEVICE, nn.Context(["cpu:float"], "CpuCachedArray", "0")):
        with nn.context_scope(context):
            task = make_task(config, 64)
            rate = LearningRate("cosine", 0.1, 0, 1)
            task = ImageTask(task.network, task.data, config, rate, layers.RUNNING, processes=group)
            assert isinstance(task.trainer._optimizer, PackedPlainMomentum) == (context is DEVICE)
            for step in range(4):
                task.trainer.train_step(architecture, 0, step)
        states.append(task.trainer.state())
    assert set(states[0]["child_optimizer"]) == set(states[1]["child_optimizer"])
    for name, array in states[1]["child"].items():
        np.testing.assert_allclose(states[0]["child"][name], array, rtol=1e-3, atol=1e-5, err_msg=name)


def test_the_exchange_of_each_context():
    assert type(exchange(SINGLE)) is HostExchange
    with nn.context_scope(DEVICE):
        assert type(exchange(SINGLE)) is DeviceExchange


class Communicator:
    """NNabla's, of two processes that share a machine."""

    size, rank, local_rank = 2, 1, 1

    def __init__(self, context):
        self.context, self.reduced = context, []

    def init(self):
        pass

    def all_reduce(self, arrays, division, inplace):
        self.reduced.append((len(arrays), division, inplace))


@pytest.fixture
def group(monkeypatch):
    """Process 1 of 2 with a GPU each, and NNabla's communicator as a fake."""
    import nnabla.communicators

    monkeypatch.setattr(nnabla.communicators, "MultiProcessDataParallelCommunicator", Communicator)
    monkeypatch.setattr("nnabla.ext_utils.get_extension_context", lambda name, device_id: (name, device_id))
    group = object.__new__(MpiProcesses)
    group.rank, group.size = 1, 2
    monkeypatch.setattr(MpiProcesses, "device_id", lambda self, asked: "1")
    monkeypatch.setattr(MpiProcesses, "expect_same", lambda self, text, what: None)
    return group


def test_the_communicator_reduces_one_array_in_its_place(group):
    group.use("cudnn")
    assert group._nccl.context == ("cudnn", "1")
    group.average_on_device(nn.NdArray((3,)))
    assert group._nccl.reduced == [(1, True, True)]


@pytest.mark.parametrize("change", [{"rank": 0}, {"size": 1}, {"local_rank": 0}])
def test_a_communicator_that_counts_otherwise_is_refused(group, monkeypatch, change):
    for name, value in change.items():
        monkeypatch.setattr(Communicator, name, value)
    with pytest.raises(UserError, match=r"sees process \d of \d, number \d on its machine, mpi4py process 1 of 2, number 1 on"):
        group.use("cudnn")


def test_a_communicator_that_does_not_start_says_why(group, monkeypatch):
    def init(self):
        raise RuntimeError("value error in query\nregistry.hpp:69\nFailed `it != end`: no communicator 'cudnn'.\n")

    monkeypatch.setattr(Communicator, "init", init)
    with pytest.raises(UserError, match="does not start: no communicator 'cudnn'; fix"):
        group.use("cudnn")
