"""What the network that retraining trains would cost, out of its options and without its data."""

import nnabla as nn

from deployment.complexity import image_network_cost, language_model_cost, latency
from deployment.wording import other_form
from models import layers
from models.final_networks import final_network
from models.parameters import ParameterScope
from models.recurrent_lm import LanguageModel


def describe_final_cost(architecture, options, sizes):
    """One line: which network, parameters, multiply-adds, time with NNabla's functions.

    `options`: of the retraining; `sizes`: (image shape, number of classes) of its data, or how many different words they have.
    """
    with layers.plain():
        name, cost, output, example = (_recurrent if options.space == "recurrent" else _image)(architecture, options, sizes)
    return f"final network ({name}): {cost} per {example}, {1000 * latency(output):.3g} ms for one {example} alone"


def _image(architecture, options, sizes):
    shape, num_classes = sizes
    network = final_network(options, ParameterScope(), num_classes)
    images = nn.Variable((1, *shape))
    images.d = 0
    output = network.build(images, architecture, layers.RUNNING).logits
    facts = [f"{network.filters} filters", options.dataset, f"{shape[1]}x{shape[2]} pixels"]
    facts += other_form(getattr(options, "final_network", None))
    return ", ".join(facts), image_network_cost(network, architecture, shape), output, "image"


def _recurrent(architecture, options, num_words):
    size = options.hidden_size
    model = LanguageModel(ParameterScope(), num_words, size, options.init_range)
    words, state = nn.Variable((1, 1)), nn.Variable((1, size))
    words.d = state.d = 0
    output = model.logits(model.hidden_states(words, state, architecture))
    return f"hidden size {size}, {num_words:,} words", language_model_cost(model, architecture, size), output, "word"
