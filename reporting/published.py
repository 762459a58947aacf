"""Results that others published, to stand beside ours."""

# Data set, unit, and (what, result). Sources: arXiv:1802.03268 (tables 1 to 3), its authors' corrected language-model code, and
# others who ran ENAS on CIFAR-10 again.
_RERUNS = (("independent rerun, 95.7 % accuracy", 4.3), ("another one, 96.2 % accuracy", 3.8))
PUBLISHED = {
    "macro": ("CIFAR-10", "% error", (("paper", 4.23), ("paper, more filters", 3.87), *_RERUNS)),
    "micro": ("CIFAR-10", "% error", (("paper", 3.54), ("paper, with CutOut", 2.89), *_RERUNS)),
    "recurrent": ("Penn Treebank", "test perplexity", (("authors' corrected code, 10 runs ± 0.1", 57.3),)),
}
