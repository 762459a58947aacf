"""The loss of the image networks, smoothed or not, against NumPy."""

import nnabla as nn
import numpy as np
import pytest

from training.image_trainer import mean_cross_entropy


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
def test_smoothed_loss_and_gradient(smoothing):
    rng = np.random.default_rng(0)
    values, labels = rng.normal(size=(6, 5)).astype(np.float32), rng.integers(5, size=6)
    logits = nn.Variable.from_numpy_array(values).apply(need_grad=True)
    loss = mean_cross_entropy(logits, nn.Variable.from_numpy_array(labels[:, None]), smoothing)
    loss.forward()
    logits.g = 0
    loss.backward()
    probabilities = np.exp(values) / np.exp(values).sum(axis=1, keepdims=True)
    target = (1 - smoothing) * np.eye(5)[labels] + smoothing / 5
    assert float(loss.d) == pytest.approx(-(target * np.log(probabilities)).sum(axis=1).mean(), rel=1e-5)
    np.testing.assert_allclose(logits.g, (probabilities - target) / 6, atol=1e-6)
