"""On a GPU whatever reads a number of an array makes the host wait for the device: a training step has no such place."""

import ast
import inspect
import textwrap

import pytest

from models import layers, recurrent_cell
from training import exchange, image_inputs, image_trainer, language_trainer, momentum, optimizers, packed_momentum, trainer

STEP = [
    trainer.Trainer.train_step,
    trainer.Trainer.move,
    trainer.TrainingGraph,
    trainer.Graphs,
    image_trainer.ImageTrainer._filled_graph,
    image_trainer.ImageTrainer.graph,
    image_trainer.ImageTrainer._update,
    image_trainer.ImageTrainingGraph,
    image_inputs._DeviceInputs,
    image_inputs._AugmentedInputs,
    language_trainer.LanguageTrainer._filled_graph,
    language_trainer.LanguageTrainer.graph,
    language_trainer.LanguageTrainer._before_clipping,
    language_trainer.LanguageTrainer._update,
    language_trainer.LanguageTrainingGraph,
    layers.Mask,
    exchange.DeviceExchange,
    exchange.GradientScaling,
    exchange.pack,
    exchange._unpack,
    recurrent_cell.NormalizedCell,
    recurrent_cell.RunningStatistics,
    optimizers.GlobalNormClipping,
    optimizers.TensorNormClipping,
    momentum.PlainMomentum.step,
    momentum.PlainMomentum.transform,
    momentum.NesterovMomentum,
    momentum.IdleWeights.catch_up,
    packed_momentum.PackedPlainMomentum.step,
    packed_momentum.PackedPlainMomentum._change,
    packed_momentum.PackedNesterovMomentum._change,
    momentum.IdleWeights.stepped,
    optimizers.Averaging.add,
]
KEPT_ON_DEVICE = {"copy_from", "zero", "fill"}  # methods of an array that no number comes back from


def reads(function):
    """Names of attributes by which `function` reads numbers of NNabla's arrays."""
    found = []
    for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(function)))):
        if not isinstance(node, ast.Attribute) or not isinstance(node.ctx, ast.Load):
            continue
        of_array = isinstance(node.value, ast.Attribute) and node.value.attr in ("data", "grad")
        if node.attr in ("d", "g", "item", "tolist") or of_array and node.attr not in KEPT_ON_DEVICE:
            found.append(f"{node.attr} in line {node.lineno}")
    return found


@pytest.mark.parametrize("function", STEP, ids=lambda function: function.__qualname__)
def test_no_number_is_read_in_a_step(function):
    assert reads(inspect.unwrap(function)) == []


def test_reading_is_found():
    def careless(variable):
        return variable.d + variable.data.data + variable.grad.data.item()

    assert len(reads(careless)) == 4
