"""The network whose weights all architectures of a search share, out of the options of the search."""

from models import macro_cnn, micro_cnn


def macro(options, scope, num_classes):
    """The shared macro network over the parameters in `scope`."""
    return macro_cnn.SharedNetwork(scope, options.output_filter, num_classes, options.keep_prob)


def micro(options, scope, num_classes):
    """The shared micro network over the parameters in `scope`."""
    return micro_cnn.SharedNetwork(
        scope, options.output_filter, num_classes, options.num_cells, options.keep_prob, options.auxiliary_head,
        options.auxiliary_form,
    )  # fmt: skip
