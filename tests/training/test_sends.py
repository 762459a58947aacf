"""What the host sends to a GPU in a training step: no copy of more than 64 KB, which would wait, and no bool or float64."""

import nnabla as nn
import numpy as np
import pytest

import args
from benchmarks.option_task import make_task
from benchmarks.workload import find_architecture
from datasets.penn_treebank import TextDataset
from models import inputs
from models.parameters import ParameterScope
from models.recurrent_lm import LanguageModel
from search_spaces.recurrent import PUBLISHED
from training import image_inputs, language_trainer
from training.language_task import LanguageTask
from training.optimizers import DecayingRate
from training.randomness import generator

LIMIT = 64 * 1024  # bytes from which NNabla's copies from the host wait (cudaMemcpy)
DEVICE = nn.Context(["cudnn:float", "cuda:float", "cpu:float"], "CpuCachedArray", "0")


@pytest.fixture
def sent(monkeypatch):
    """List of the NumPy arrays that `put` hands over, in the context of a GPU."""
    arrays = []

    def record(variable, array):
        put(variable, array)
        arrays.append(variable.data.data)

    put = inputs.put
    for module in (inputs, image_inputs, language_trainer):
        monkeypatch.setattr(module, "put", record)
    with nn.context_scope(DEVICE):
        yield arrays


def fill_image_graph(space, job, sent):
    """Fill a graph of the size that --preset enas has."""
    options = "--cutout 16" if job == "retrain" else ""
    task = make_task(args.parse(space, job, options.split()), 200)
    graph = task.trainer.graph(find_architecture(space, "published" if job == "retrain" else "random"))
    sent.clear()
    size = task.trainer.config.batch_size
    graph.fill(np.arange(size) % 200, generator(0, "test"), 0.5)
    return graph


@pytest.mark.parametrize("space", ["macro", "micro"])
@pytest.mark.parametrize("job", ["search", "retrain"])
def test_no_copy_of_an_image_step_waits(space, job, sent):
    fill_image_graph(space, job, sent)
    check(sent)


@pytest.mark.parametrize("job", ["search", "retrain"])
def test_no_copy_of_a_language_step_waits(job, sent):
    config = args.parse("recurrent", job, [])
    tokens = np.random.default_rng(0).integers(100, size=20_000).astype(np.int32)
    model, rate = LanguageModel(ParameterScope(), 100, config.hidden_size, 0.1), DecayingRate(1.0)
    text = TextDataset("random", tuple(map(str, range(100))), tokens, tokens, tokens)
    trainer = LanguageTask(model, text, config, rate).trainer
    graph = trainer.graph(PUBLISHED["enas"], 50)
    sent.clear()
    words = np.zeros((50, config.batch_size), int)
    graph.fill(words, words, generator(0, "test"))
    check(sent)


def check(sent):
    assert len(sent) > 3
    assert max(array.nbytes for array in sent) <= LIMIT
    assert {array.dtype.name for array in sent} <= {"float32", "int32", "uint8"}


@pytest.mark.parametrize("shape", [(64, 704), (5, 1, 999), (3, 5, 7, 41)])
@pytest.mark.parametrize("rate", [0.3, 0.9])
def test_a_packed_mask_is_the_mask(shape, rate):
    mask = (generator(0, "test").random(shape, np.float32) < rate) / np.float32(rate)
    packed = inputs.PackedMaskInput(shape)
    for wanted in (mask, mask[::-1], np.zeros(shape, np.float32)):
        packed.put(np.ascontiguousarray(wanted))
        packed.value.forward(clear_buffer=True)
        np.testing.assert_array_equal(packed.value.d, wanted)


def test_small_masks_and_those_of_the_cpu_are_sent_as_they_are(sent):
    assert type(inputs.mask_input((64, 1, 1, 1))) is inputs.MaskInput
    assert type(inputs.mask_input((64, 704))) is inputs.PackedMaskInput
    with nn.context_scope(nn.Context(["cpu:float"], "CpuCachedArray", "0")):
        assert type(inputs.mask_input((64, 704))) is inputs.MaskInput
