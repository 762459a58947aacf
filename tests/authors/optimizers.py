"""The authors' optimizers and schedule on the toys of the golden data."""

import itertools

import nnabla as nn
import nnabla.solvers as S
import numpy as np

from tests.authors.differences import relative
from training.momentum import IdleWeights, NesterovMomentum
from training.optimizers import LearningRate, restarts


def compare_momentum(arrays):
    """Form of momentum_l2_toy.npz: loss sum(w * grad) + l2 sum(w^2), so the weight decay is twice l2."""
    optimizer, rate, decay = NesterovMomentum(), float(arrays["lr"]), 2 * float(arrays["l2_reg"])

    def update(weight):
        weight.g = arrays["grad"]
        optimizer.step({"w": weight}, rate, decay)

    yield "weights after each step", relative(_trajectory(arrays["w"], update), arrays["w"])
    optimizer, idle = NesterovMomentum(), IdleWeights(NesterovMomentum(), decay, lambda name: False)

    def pass_by(weight):
        idle.stepped([], rate)
        idle.settle({"w": weight})

    # A step is linear: what the gradient does to a weight of 0, and what happens to the weight without a gradient.
    driven = _trajectory(np.zeros_like(arrays["w"]), update)
    yield "the same, of weights not in use", relative(driven + _trajectory(arrays["w"], pass_by), arrays["w"])


def compare_adam(arrays):
    """Form of adam_toy.npz: loss sum(target * w^2 / 2), the controller's Adam."""
    solver = S.Adam(float(arrays["lr"]), beta1=0.0, beta2=0.999, eps=1e-3)

    def update(weight):
        if not solver.get_parameters():
            solver.set_parameters({"w": weight})
        weight.g = arrays["tgt"] * weight.d
        solver.update()

    yield "weights after each step", relative(_trajectory(arrays["w"], update), arrays["w"])


def compare_schedule(arrays):
    """Form of sgdr_schedule.npz: rates (epochs, steps). A restart's first mini-batch is their defect, left out by default."""
    period, factor = int(arrays["T_0"]), int(arrays["T_mul"])
    epochs, steps = arrays["lr"].shape
    restart = np.zeros((epochs, steps), bool)
    restart[list(itertools.takewhile(lambda epoch: epoch < epochs, restarts(period, factor))), 0] = True
    rates = {}
    for restarts_at in ("highest", "middle"):
        limits = float(arrays["lr_max"]), float(arrays["lr_min"])
        schedule = LearningRate("cosine-restarts", *limits, epochs, period, factor, restarts_at=restarts_at)
        rates[restarts_at] = np.array([[schedule.at(epoch, step, steps) for step in range(steps)] for epoch in range(epochs)])
    yield "learning rates", relative(rates["highest"][~restart], arrays["lr"][~restart])
    yield "the same with --restart-lr middle, all", relative(rates["middle"], arrays["lr"])


def _trajectory(theirs, update):
    weight = nn.Variable(theirs[0].shape, need_grad=True)
    weight.d = theirs[0]
    weights = [theirs[0]]
    for _ in theirs[1:]:
        update(weight)
        weights.append(weight.d.copy())
    return np.array(weights)
