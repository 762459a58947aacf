"""The network that retraining trains, out of its options: for the retraining scripts, for counting its cost, for export."""

from models import macro_cnn, micro_cnn
from models.recurrent_lm import LanguageModel


def macro(options, scope, num_classes):
    """The final macro network over the parameters in `scope`; `options` are those of retraining."""
    if options.final_network == "shared":
        return macro_cnn.SharedNetwork(scope, _filters(options), num_classes, options.keep_prob)
    dense_only, added = (options.final_network == form for form in ("authors", "added"))
    return macro_cnn.FinalNetwork(scope, _filters(options), num_classes, options.keep_prob, dense_only, options.recompute, added)


def micro(options, scope, num_classes):
    """The final micro network over the parameters in `scope`; `options` are those of retraining."""
    return micro_cnn.FinalNetwork(
        scope, _filters(options), num_classes, options.num_cells, options.keep_prob, options.auxiliary_head,
        options.drop_path_keep_prob, options.auxiliary_form, options.recompute,
    )  # fmt: skip


def recurrent(options, scope, num_words):
    """The language model over the parameters in `scope`; a search shares the weights of one of its own size."""
    size, initial_range = options.hidden_size, options.init_range
    return LanguageModel(scope, num_words, size, initial_range or initial_range_of(size), options.node_batch_norm)


def initial_range_of(size):
    """Where --init-range is None: weights of a model with `size` units start uniform in +- this (authors' first code)."""
    return 0.1 if size <= 300 else 0.05 if size <= 400 else 0.04


def _filters(options):
    return options.output_filter + options.additional_filters_on_retrain
