"""Trained networks of every kind that is exported, whose weights and statistics are chance."""

import nnabla as nn
import numpy as np

import args
from datasets.batches import Normalizer
from deployment.export import inference_graph, language_model_facts, network_facts
from models import layers
from models.parameters import ParameterScope
from search_spaces import macro, micro, recurrent
from spaces import SPACES

# space, --final-network
KINDS = [("macro", "searched"), ("macro", "shared"), ("macro", "authors"), ("macro", "added"), ("micro", "searched")]
EVERY_OPERATION = macro.MacroArchitecture(
    (*macro.OPERATIONS, "conv3x3"), tuple(tuple((layer + bit) % 2 for bit in range(layer)) for layer in range(7))
)
CELL = (
    micro.Node(0, "sepconv3x3", 1, "sepconv5x5"),
    micro.Node(2, "average_pool3x3", 1, "max_pool3x3"),
    micro.Node(0, "identity", 3, "identity"),
)
# Its cells leave an input loose, and pool, halve and pass on what they read.
OTHER_CELL = (micro.Node(1, "identity", 1, "max_pool3x3"), micro.Node(2, "average_pool3x3", 2, "sepconv3x3"))
ARCHITECTURES = {"macro": EVERY_OPERATION, "micro": micro.MicroArchitecture(CELL, CELL)}
SHAPE, CLASSES = (3, 19, 22), ("ant", "bee", "cat", "dog")
WORDS = ("<eos>", "<unk>", "cat", "saw", "the", "Käfer", '"')
MEAN, STD = (0.4, 0.5, 0.6), (0.2, 0.25, 0.3)


def make_network(space, form, shape=SHAPE, architecture=None):
    """(network, facts): `form` is --final-network, `shape` (channels, height, width) of its images."""
    options = final_options(
        space, {"output_filter": 4, "additional_filters_on_retrain": 2, "final_network": form, "num_cells": 3}
    )
    architecture = architecture or ARCHITECTURES[space]
    network = SPACES[space].final_network(options, ParameterScope(5), len(CLASSES))
    network.build(nn.Variable((1, *shape)), architecture, layers.RUNNING)  # makes the weights
    disturb(network.scope)
    return network, network_facts(architecture, options.options(), shape, CLASSES, normalizer(shape[0]))


def make_language_model(name="darts", normalized=False):
    """(model, facts) with the published recurrent cell of that name; it knows `WORDS`. `normalized`: with --node-batch-norm."""
    options = final_options("recurrent", {"hidden_size": 6, "init_range": 1.0, "node_batch_norm": normalized})
    model, architecture = SPACES["recurrent"].final_network(options, ParameterScope(3), len(WORDS)), recurrent.PUBLISHED[name]
    facts = language_model_facts(architecture, options.options(), WORDS)
    inference_graph(model, facts)  # makes the weights
    return model, facts


def final_options(space, options):
    """The `Config` of a retraining with some options (dict)."""
    return args.revised(args.parse(space, args.RETRAIN, []), options)


def disturb(scope):
    """Statistics that are not those of the beginning, and logits so small that no class is certain."""
    rng = np.random.default_rng(0)
    for name, variable in scope.all().items():
        if name.endswith("/var"):
            variable.d = rng.uniform(0.5, 2, variable.shape)
        elif name.endswith(("/mean", "/beta")):
            variable.d = rng.normal(size=variable.shape) * 0.3
    scope.all()["fc/W"].d *= 0.05


def normalizer(channels):
    """The `Normalizer` of such images."""
    return Normalizer(np.array(MEAN[:channels], np.float32), np.array(STD[:channels], np.float32))
