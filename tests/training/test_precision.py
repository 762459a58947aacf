"""Sums and means of losses leave half precision, in which 9.21 nats over 256 x 35 words are infinite."""

import math

import nnabla as nn
import nnabla.functions as F
import numpy as np
import pytest

import args
from benchmarks.option_task import make_task
from datasets.penn_treebank import TextDataset
from models.parameters import ParameterScope
from models.recurrent_lm import LanguageModel
from search_spaces.macro import MacroSpace
from search_spaces.recurrent import RecurrentSpace
from tests.cuda.half import half_sums
from training.language_evaluator import EvaluationGraph
from training.language_task import LanguageTask
from training.language_trainer import LanguageTrainingGraph, state_variable
from training.optimizers import DecayingRate

LENGTH, ROWS, NATS = 35, 256, 9.21
SPACE = RecurrentSpace(3)
CELL = SPACE.random(np.random.default_rng(0))


class Certain(LanguageModel):
    """A language model that is equally wrong about all words: `NATS` each."""

    def cross_entropy(self, hidden, following, masks=None):
        losses = nn.Variable((*hidden.shape[:2], 1), need_grad=True)
        losses.persistent = True
        losses.d = NATS
        return losses


def text_config(options=""):
    return args.parse("recurrent", "search", ["--preset", "quick", "--type-config", "half", *options.split()])


def test_half_overflows_at_these_numbers():
    losses = nn.Variable((LENGTH, ROWS, 1))
    losses.d = NATS
    with half_sums() as made:
        mean = F.mean(losses)
        mean.forward()
    assert made == [("Mean", (), True)] and math.isinf(mean.d)


def test_a_training_loss_over_256_times_35_words_is_finite():
    model = Certain(ParameterScope(), 12, 4, 0.1)
    with half_sums():
        graph = LanguageTrainingGraph(model, CELL, LENGTH, state_variable(ROWS, 4), text_config())
        nn.forward_all([graph.loss])
    assert float(graph.loss.d) == pytest.approx(NATS, rel=1e-5)


def test_a_perplexity_over_256_times_35_words_is_finite():
    model, words = Certain(ParameterScope(), 12, 4, 0.1), np.zeros((LENGTH, ROWS))
    with half_sums():
        total = EvaluationGraph(model, CELL, LENGTH, ROWS).loss_on(words, words, np.ones((LENGTH, ROWS)))
    assert math.exp(total / words.size) == pytest.approx(math.exp(NATS), rel=1e-4)


def image_steps():
    options = "--preset quick --batch-size 8 --num-layers 3 --output-filter 4 --validation-size 8 --type-config half"
    task = make_task(args.parse("macro", "search", options.split()), 64)
    architecture = MacroSpace(3).random(np.random.default_rng(0))
    task.trainer.train_step(architecture, 0, 0)
    task.evaluator.reward(architecture, 1, 0)


def text_steps():
    tokens = np.random.default_rng(0).integers(12, size=400).astype(np.int32)
    config = text_config("--batch-size 4 --hidden-size 8 --bptt 4 --alpha 0.5 --beta 0.5")
    text = TextDataset("random", tuple(map(str, range(12))), tokens, tokens, tokens)
    task = LanguageTask(LanguageModel(ParameterScope(), 12, 8, 0.1), text, config, DecayingRate(1.0))
    task.trainer.train_step(CELL, 0, 0)
    task.evaluator.reward(CELL, 1, 0)


@pytest.mark.parametrize("steps", [image_steps, text_steps])
def test_no_number_for_a_whole_mini_batch_is_summed_in_half(steps):
    with half_sums() as made:
        steps()
    whole = [(kind, in_half) for kind, shape, in_half in made if shape in ((), (1,))]
    assert len(whole) >= 3 and not any(in_half for _, in_half in whole), made
