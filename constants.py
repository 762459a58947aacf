"""Hyper-parameters that are no options because nobody varies them, each with its source; docs/options.md lists them.

"The authors" are those of arXiv:1802.03268, by their published code; the recurrent space follows their corrected
language-model code. "The example" is NNabla's ENAS example.
"""

from types import MappingProxyType

MOMENTUM = 0.9  # of every optimizer that has one (authors, example)
RESTART_PERIOD, RESTART_FACTOR = 10, 2  # T_0 in epochs and T_mul of cosine-restarts (authors; SGDR, arXiv:1608.03983)
BATCH_NORM_DECAY = 0.9  # of the running statistics (authors)
BATCH_NORM_EPSILON = 1e-5  # added to the variance (authors; their shared macro convolutions have 1e-3, see models/macro_cnn.py)
CELL_BATCH_NORM_DECAY, CELL_BATCH_NORM_EPSILON = 0.999, 1.0  # between the nodes of a recurrent cell (authors' first code)
EVALUATION_BATCH = 100  # images judged at a time (authors); only time and memory depend on it
PERPLEXITY_REWARD = 80.0  # the reward is this over the perplexity (paper section 3.1)
AVERAGING_PATIENCE = 10  # averaging begins when the perplexity exceeds the best of those before so many epochs (authors)

# Of the controllers: the constants of Adam and the bound of their first, uniform weights.
CONTROLLER_ADAM = MappingProxyType({"beta1": 0.0, "beta2": 0.999, "eps": 1e-3})  # eps is outside the root (authors)
CONTROLLER_RANGE = 0.1  # (authors)
RECURRENT_CONTROLLER_ADAM = MappingProxyType({"beta1": 0.9, "beta2": 0.999, "eps": 1e-8})  # (authors)
RECURRENT_CONTROLLER_RANGE = 0.01  # (authors)
