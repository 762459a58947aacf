"""What the network that retraining trains would cost, out of its options and without its data.

Each function describes the network of `build(options, parameter scope, classes or words)` in one line: parameters, multiply-adds,
time with NNabla's functions. `options` are those of the retraining.
"""

import nnabla as nn

from deployment.complexity import image_network_cost, language_model_cost, latency
from deployment.wording import other_form
from models import layers
from models.parameters import ParameterScope


def image_network(build, architecture, options, sizes):
    """Of an image network, for one image; `sizes`: (image shape, number of classes) of its data."""
    shape, num_classes = sizes
    network = build(options, ParameterScope(), num_classes)
    images = nn.Variable((1, *shape))
    images.d = 0
    with layers.plain():
        output = network.build(images, architecture, layers.RUNNING).logits
        cost = image_network_cost(network, architecture, shape)
    facts = [f"{network.filters} filters", options.dataset, f"{shape[1]}x{shape[2]} pixels"]
    return _line(facts + other_form(getattr(options, "final_network", None)), cost, output, "image")


def language_model(build, architecture, options, num_words):
    """Of a language model, for one word; `num_words`: how many different ones there are."""
    model = build(options, ParameterScope(), num_words)
    words, state = nn.Variable((1, 1)), nn.Variable((1, model.size))
    words.d = state.d = 0
    with layers.plain():
        output = model.logits(model.hidden_states(words, state, architecture))
        cost = language_model_cost(model, architecture)
    return _line([f"hidden size {model.size}", f"{num_words:,} words"], cost, output, "word")


def _line(facts, cost, output, example):
    milliseconds = f"{1000 * latency(output):.3g} ms for one {example} alone"
    return f"final network ({', '.join(facts)}): {cost} per {example}, {milliseconds}"
