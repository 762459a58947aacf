"""NAS-Bench-Macro (Su et al., CVPR 2021, arXiv:2103.11922): the policy gradient alone, on a second table of true accuracies."""
