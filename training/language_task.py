"""Language models on a text."""

from deployment.complexity import language_model_cost
from training.language_evaluator import LanguageEvaluator
from training.language_trainer import LanguageTrainer
from training.processes import SINGLE
from training.task import Task


class LanguageTask(Task):
    """Language models under training on the `TextDataset` `text`, and what they cost.

    `final_size`: the hidden size whose cost is told, by default that of `network`. Retraining averages the weights if
    `averages_weights`.
    """

    def __init__(self, network, text, config, learning_rate, final_size=None, averages_weights=False, processes=SINGLE):
        trainer = LanguageTrainer(network, text.train, config, learning_rate, averages_weights, processes)
        evaluator = LanguageEvaluator(network, text, config, trainer.averaging, trainer.graphs)
        super().__init__(network, trainer, evaluator)
        self.text, self._final_size = text, final_size or network.size

    def cost(self, architecture):
        """`Cost` of one word in a model of the final size."""
        return language_model_cost(self.network, architecture, self._final_size)

    def evaluation(self, architecture):
        """Dict for JSON of a model: what it costs."""
        return vars(self.cost(architecture))

    def export_facts(self, architecture, options):
        """None: a language model is not exported."""
