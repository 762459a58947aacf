"""Language models on a text."""

from datasets.record import TextRecord
from deployment.complexity import language_model_cost
from deployment.export import language_model_facts
from training.language_evaluator import LanguageEvaluator
from training.language_trainer import LanguageTrainer
from training.processes import SINGLE
from training.task import Task
from training.work import Examples


class LanguageTask(Task):
    """Language models under training on the `TextDataset` `text`, and what they cost.

    `final_network`: the one whose cost is told, by default `network`. Retraining averages the weights if `averages_weights`.
    """

    def __init__(self, network, text, config, learning_rate, final_network=None, averages_weights=False, processes=SINGLE):
        trainer = LanguageTrainer(network, text.train, config, learning_rate, averages_weights, processes)
        evaluator = LanguageEvaluator(network, text, config, trainer.averaging, trainer.graphs)
        examples = Examples(len(text.train), len(text.valid), config.batch_size * config.bptt)
        super().__init__(network, trainer, evaluator, examples)
        self.text, self._final_network = text, final_network or network

    def data_record(self):
        """What a run writes down of its data: a `TextRecord`."""
        return TextRecord(self.text)

    def cost(self, architecture):
        """`Cost` of one word in the final network."""
        return language_model_cost(self._final_network, architecture)

    def evaluation(self, architecture):
        """Dict for JSON of a model: what it costs."""
        return vars(self.cost(architecture))

    def export_facts(self, architecture, options):
        """Dict for JSON of what a trained model is besides its weights; `options`: dict of the retraining's."""
        return language_model_facts(architecture, options, self.text.vocabulary)

    def use_of(self, path, deploy):
        """What can be done with the .nnp file at `path`; `deploy(words...)` gives a command line of deploy.py."""
        return f"language model: {path}; export it to PyTorch: {deploy('export', path.absolute(), '-o', 'model.py')}"
