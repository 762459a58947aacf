"""How weights move: the search, the policy gradient, retraining, tasks, optimizers."""
