"""The authors' macro child networks (GeneralChild): where each of our parameters stands in them."""

from search_spaces.macro import AUTHORS_OPERATIONS
from tests.authors.translate import Translator


def _reduction(num_layers):
    def theirs(match):
        layer = int(match["level"]) * (num_layers // 3) - 1
        return f"layer_{layer}/pool_at_{layer}/from_{match['source']}"

    return r"reduction_(?P<level>\d)/from_(?P<source>\d+)", theirs


def _common(num_layers):
    return [("fc", "fc"), ("stem", "stem_conv"), (r"layer_(\d+)/skip", r"layer_\1/skip"), _reduction(num_layers)]


def search_translator(num_layers):
    """For the search network (shared weights)."""
    rules = _common(num_layers)
    for index, operation in enumerate(AUTHORS_OPERATIONS):
        first = "conv_1" if "pool" in operation else "inp_conv_1"
        rules += [
            (rf"layer_(\d+)/{operation}/conv1x1", rf"layer_\1/branch_{index}/{first}"),
            (rf"layer_(\d+)/{operation}", rf"layer_\1/branch_{index}/out_conv_{operation[-1]}"),
        ]
    return Translator(rules, plain_averages=r"layer_\d+/(sep)?conv\dx\d/bn")


def final_translator(num_layers):
    """For the final network, whose operations are all dense."""
    return Translator(
        [
            *_common(num_layers),
            (r"layer_(\d+)/conv\dx\d/conv1x1", r"layer_\1/conv_1x1"),
            (r"layer_(\d+)/conv(\dx\d)", r"layer_\1/conv_\2"),
        ]
    )
