"""How weights move: the search, the policy gradient, optimizers, checkpoints."""
