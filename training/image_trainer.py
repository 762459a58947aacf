"""Moving the weights of image networks."""

import nnabla.functions as F

from datasets.batches import epoch_order
from models import layers
from training.exchange import DeviceExchange
from training.image_inputs import held_images
from training.momentum import OPTIMIZERS, IdleWeights
from training.optimizers import CLIPPINGS
from training.packed_momentum import PACKED_OPTIMIZERS, PackedPlainMomentum
from training.precision import full_precision
from training.processes import SINGLE
from training.randomness import generator
from training.trainer import Trainer, TrainingGraph
from training.whitening import STEM, StemWhitening


class ImageTrainer(Trainer):
    """Moves the weights of `network` on the training images of an `ImageData`.

    `network` has `build(images, architecture, statistics, training)` and `scope`. Each process normalizes with the statistics
    of its own share of a mini-batch. `statistics`: `layers.TRAIN`, or `layers.BATCH` for no running ones.
    """

    def __init__(self, network, data, config, learning_rate, statistics, processes=SINGLE):
        super().__init__(network, config, learning_rate, ("loss", "wrong"), processes, CLIPPINGS[config.clip_norm])
        self._number, self._augmentation, self._statistics = len(data.train), data.augmentation, statistics
        self._images = held_images(data.train, data.normalizer)
        whitens = getattr(config, "whiten_stem", False)  # no option of a search
        self._whitening = StemWhitening(data.train, data.normalizer) if whitens else None
        self._optimizer = self._new_optimizer()
        idle = IdleWeights(self._optimizer, config.weight_decay, self._decay_exempt)
        self._idle = idle if getattr(config, "update", "used") == "all" else None  # a retraining has no idle weights
        self._order = (None, None)

    def _new_optimizer(self):
        """On a device that of a retraining, which moves the same weights in each step, takes packed gradients."""
        packs = getattr(self.config, "job", None) == "retrain" and isinstance(self._exchange, DeviceExchange)
        packs = packs and not self._whitening  # which changes one gradient among those packed
        if packs:
            self._exchange.keeps_packed = True
        return (PACKED_OPTIMIZERS if packs else OPTIMIZERS)[self.config.child_optimizer]()

    def steps(self, epoch):
        """Mini-batches in an epoch."""
        return -(-self._number // self.config.batch_size)

    def _filled_graph(self, architecture, epoch, step):
        if step == 0 and self._begins_candidate(epoch):
            self.forget_momentum()
        graph = self.graph(architecture)
        rng = generator(self.config.seed, "mini-batch", epoch, step)
        graph.fill(self._epoch_order(epoch)[step], rng, self._progress(epoch, step), self._part)
        if self._idle:
            self._idle.catch_up(graph.parameters)
        return graph

    def _begins_candidate(self, epoch):
        """Is it the first epoch of a candidate that starts with no momentum?"""
        return getattr(self.config, "fresh_momentum", False) and epoch % self.config.epoch_per_search == 0

    def make_weights(self, architecture):
        """Make the weights of an architecture, before it is trained."""
        self.graph(architecture)

    def forget_momentum(self):
        """Begin with a new state of the optimizer, as NNabla's example for every candidate that it trains."""
        self.settle()
        self._optimizer.forget()
        if self._idle:
            self._idle.forget()

    def settle(self):
        """Bring the weights that are not in use up to date, before somebody reads them."""
        if self._idle:
            self._idle.settle(self.network.scope.trainable())

    def graph(self, architecture):
        """The graph of an architecture for this process's share of a mini-batch."""
        return self.graphs.get(architecture, "training", lambda: self._new_graph(architecture))

    def _new_graph(self, architecture):
        inputs = self._images.inputs(self._part.stop - self._part.start, self._augmentation)
        new = STEM not in self.network.scope.all()  # neither resumed nor given
        graph = ImageTrainingGraph(self.network, architecture, inputs, self.config, self._statistics)
        if self._whitening and new:
            self._whitening.initialize(graph.parameters[STEM])
        return graph

    def _epoch_order(self, epoch):
        if self._order[0] != epoch:
            rng = generator(self.config.seed, "order", epoch)
            self._order = epoch, epoch_order(self._number, self.config.batch_size, rng)
        return self._order[1]

    def _progress(self, epoch, step):
        return (epoch + (step + 1) / self.steps(epoch)) / self.config.epochs

    def _update(self, graph, rate):
        decay = self.config.weight_decay, self._decay_exempt
        if self._whitening:
            self._whitening.precondition(graph.parameters[STEM])
        if isinstance(self._optimizer, PackedPlainMomentum):
            self._optimizer.step(graph.parameters, self._exchange.packed, rate, *decay)
        else:
            self._optimizer.step(graph.parameters, rate, *decay)
        if self._idle:
            self._idle.stepped(graph.parameters, rate)

    def _decay_exempt(self, name):
        """Is this weight spared by weight decay?"""
        return not self.config.decay_batch_norm and _is_batch_norm(name)

    def _shown(self, means):
        """Loss (nats) and accuracy."""
        if "wrong" not in means:
            return means
        return {"loss": means.pop("loss"), "accuracy": 1 - means.pop("wrong"), **means}

    def state(self):
        return super().state() | ({"child_idle": self._idle.state()} if self._idle else {})

    def restore(self, groups):
        super().restore(groups)
        if self._idle:
            self._idle.restore(groups["child_idle"])

    def _optimizer_state(self):
        return self._optimizer.state()

    def _restore_optimizer(self, arrays):
        self._optimizer.restore(arrays, self.network.scope.all())


class ImageTrainingGraph(TrainingGraph):
    """Loss of one architecture on the mini-batch in `inputs` (see `training.image_inputs`)."""

    def __init__(self, network, architecture, inputs, config, statistics=layers.TRAIN):
        self._inputs, labels = inputs, inputs.labels
        with network.scope.record_use() as used:
            outputs = network.build(inputs.images, architecture, statistics, training=True)
        self._masks = outputs.masks.items
        with full_precision():
            loss = total = mean_cross_entropy(outputs.logits, labels, config.label_smoothing)
            if outputs.auxiliary_logits is not None:
                auxiliary = mean_cross_entropy(outputs.auxiliary_logits, labels, config.label_smoothing)
                total = loss + config.auxiliary_weight * auxiliary
            self._wrong = F.mean(F.top_n_error(outputs.logits, labels))
        super().__init__(used, loss, total, beside=[self._wrong], figures=[self._wrong])

    def fill(self, indices, rng, progress, part=slice(None)):
        """Put in the `part` of the mini-batch of `indices` (batch,), and fresh masks."""
        self._inputs.fill(indices, rng, part)
        for mask in self._masks:
            mask.draw(rng, progress, len(indices), part)

    def measured(self):
        """NdArrays of one element: the cross-entropy, and the share of wrong answers."""
        return [self.loss.data, self._wrong.data]


def mean_cross_entropy(logits, labels, smoothing=0.0):
    """Mean cross-entropy of `logits` (batch, classes) for `labels` (batch, 1), in nats; a scalar Variable.

    With `smoothing` s the target is 1 - s for the label plus s / classes for every class (arXiv:1512.00567, section 7).
    """
    loss = F.mean(F.softmax_cross_entropy(logits, labels))
    if not smoothing:
        return loss
    return (1 - smoothing) * loss - smoothing * F.mean(F.log_softmax(logits))


def _is_batch_norm(name):
    return name.endswith(("/beta", "/gamma"))
