"""A task: what a search and a retraining know of the networks that they train."""


class Task:
    """Child networks on data. `trainer` moves their weights, `evaluator` measures them (a quality, greater is better)."""

    def __init__(self, network, trainer, evaluator):
        self.network, self.trainer, self.evaluator = network, trainer, evaluator

    def forget_graphs(self):
        """Build anew what is asked for next, as if it were another architecture."""
        self.trainer.graphs.forget()
        self.evaluator.graphs.forget()
