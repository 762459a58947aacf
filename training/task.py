"""A task: what a search and a retraining know of the networks that they train."""


class Task:
    """Child networks on data. `trainer` moves their weights, `evaluator` measures them (a quality, greater is better).

    `examples`: the `work.Examples` of the data; `proposed`: the `work.Proposed` of a search, or None.
    """

    def __init__(self, network, trainer, evaluator, examples):
        self.network, self.trainer, self.evaluator, self.examples = network, trainer, evaluator, examples
        self.proposed = None

    def forget_graphs(self):
        """Build anew what is asked for next, as if it were another architecture."""
        self.trainer.graphs.forget()
        self.evaluator.graphs.forget()
