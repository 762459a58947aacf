"""Child networks on images."""

from dataclasses import dataclass

from datasets.batches import Augmentation
from datasets.record import ImageRecord
from datasets.splits import Split
from deployment.complexity import image_network_cost
from deployment.export import network_facts
from models import layers
from training.image_evaluator import ImageEvaluator
from training.image_trainer import ImageTrainer
from training.processes import SINGLE
from training.task import Task
from training.work import Examples


@dataclass(frozen=True)
class ImageData:
    """What is trained on, what is measured on (search: the validation split; retraining: the test set), and how."""

    train: Split
    held_out: Split
    normalizer: object
    augmentation: Augmentation
    classes: tuple = ()  # their names
    record: ImageRecord | None = None  # what a run writes down of them


class ImageTask(Task):
    """Image networks under training, and what they cost and become.

    `evaluation_statistics` are `layers.RUNNING` or `layers.BATCH`; with those of the mini-batch there are no running ones:
    nothing would read them. `final_network` is the one whose cost is told: `network` itself if none is given.
    """

    def __init__(self, network, data, config, learning_rate, evaluation_statistics, final_network=None, processes=SINGLE):
        statistics = layers.BATCH if evaluation_statistics == layers.BATCH else layers.TRAIN
        trainer = ImageTrainer(network, data, config, learning_rate, statistics, processes)
        evaluator = ImageEvaluator(network, data, config, evaluation_statistics, trainer.settle)
        super().__init__(network, trainer, evaluator, Examples(len(data.train), len(data.held_out), config.batch_size))
        self.data, self._final_network = data, final_network or network

    def data_record(self):
        """What a run writes down of its data: an `ImageRecord`."""
        return self.data.record

    def cost(self, architecture):
        """`Cost` of the final network of an architecture."""
        return image_network_cost(self._final_network, architecture, self.data.train.images.shape[1:])

    def evaluation(self, architecture):
        """Dict for JSON of a network that has been validated: what it costs, and its confusion matrix."""
        confusion = self.evaluator.confusion.tolist()
        return vars(self.cost(architecture)) | {"classes": self.data.classes, "confusion": confusion}

    def export_facts(self, architecture, options):
        """Dict for JSON of what a trained network is besides its weights; `options`: dict of the retraining's."""
        data = self.data
        return network_facts(architecture, options, data.train.images.shape[1:], data.classes, data.normalizer)

    def use_of(self, path, deploy):
        """What can be done with the .nnp file at `path`; `deploy(words...)` gives a command line of deploy.py."""
        return f"image network: {path}; classify an image: {deploy('predict', path.absolute())} IMAGE"
