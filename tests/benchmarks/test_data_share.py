from benchmarks import data_share
from training import image_inputs


def test_images_are_a_part_of_a_step_and_the_step_is_put_back(monkeypatch):
    monkeypatch.setitem(data_share.IMAGES, "digits", 64)
    before = image_inputs.training_batch
    row = data_share.measure("quick macro search", 1)
    assert 0 < row["data_seconds"] < row["step_seconds"] and row["ahead_seconds"] > 0
    assert row["data_share"] == row["data_seconds"] / row["step_seconds"]
    assert image_inputs.training_batch is before
