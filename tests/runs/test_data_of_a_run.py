"""What a run writes down of its data, and what a run on other data is told."""

import json

import numpy as np
import pytest

from datasets.record import ImageRecord, TextRecord, difference
from datasets.splits import dataset_of, search_splits
from errors import UserError
from runs.run_config import Request
from runs.run_directory import Finished, RunDirectory
from tests.datasets.test_batches import make_dataset
from tests.toys import open_run, snapshot


def record(seed=0, pixel=0, count=20, classes=("a", "b"), name="image {}"):
    """Of two classes of images whose test part is drawn with `seed`."""
    images = np.full((count, 1, 8, 8), pixel, np.uint8)
    labels = np.repeat([0, 1], count // 2).astype(np.int32)
    dataset = dataset_of("own", classes, images, labels, {"train": np.arange(count)}, name.format, seed, f"sha {pixel}")
    train, validation = search_splits(dataset, 4)
    return ImageRecord(dataset, {"training": train, "validation": validation})


def begin(folder, data):
    """An unfinished run with a checkpoint."""
    with open_run(folder, data=data) as run:
        run.save({"child": {"W": np.zeros(1)}}, {"position": 1})


def test_equal_data_go_on(tmp_path):
    begin(tmp_path, record())
    split = (tmp_path / "run" / "split.csv").read_text()
    with open_run(tmp_path, data=record()) as run:
        assert run.resumed is not None
    assert (tmp_path / "run" / "split.csv").read_text() == split
    lines = split.splitlines()
    assert lines[0] == "part,class,image" and len(lines) == 17
    assert all(line.split(",")[1] == ("a" if int(line.split()[-1]) < 10 else "b") for line in lines[1:])
    assert json.loads((tmp_path / "run" / "config.json").read_text())["data"] == record().facts


@pytest.mark.parametrize("pixel", [0, 1])
def test_where_the_data_lie_decides_nothing_if_they_are_equal(tmp_path, pixel):
    with open_run(tmp_path, data=record(), data_dir="data") as run:
        run.save({"child": {"W": np.zeros(1)}}, {"position": 1})
    if pixel:
        with pytest.raises(UserError, match="another value of --data-dir"):
            open_run(tmp_path, data=record(pixel=pixel), data_dir="/elsewhere/data")
        return
    with open_run(tmp_path, data=record(), data_dir="/elsewhere/data") as run:
        assert run.resumed is not None
        run.finish({"summary": ["done"]})
    with pytest.raises(Finished):
        open_run(tmp_path, data=record(), data_dir="./data")


@pytest.mark.parametrize(
    "other, words",
    [
        ({"pixel": 1}, "as many images and classes, but different content"),
        ({"count": 30}, "images 12 training, 4 validation then, 20 training, 4 validation now"),
        ({"seed": 1}, "split differently: .* seed 0 then, .* seed 1 now"),
    ],
)
def test_changed_data_are_one_line_and_nothing_changes(tmp_path, other, words):
    begin(tmp_path, record())
    before = snapshot(tmp_path)
    began = rf"the data have changed since the unfinished run in .* began \({words}\); restore them"
    with pytest.raises(UserError, match=began) as error:
        open_run(tmp_path, data=record(**other))
    assert "\n" not in str(error.value) and snapshot(tmp_path) == before
    with open_run(tmp_path, data=record(**other), restart=True) as run:
        assert run.resumed is None
    assert json.loads((tmp_path / "run" / "config.json").read_text())["data"] == record(**other).facts


def test_a_finished_run_on_other_data_is_another_run(tmp_path):
    with open_run(tmp_path, data=record()) as run:
        run.monitors.series("Training loss", 0, 1.0)
        run.finish({"summary": ["done"]})
    with pytest.raises(Finished):
        open_run(tmp_path, data=record())
    with open_run(tmp_path, data=record(pixel=1)):
        pass
    previous = tmp_path / "run" / "previous-1"
    assert {"split.csv", "config.json", "Training-loss.series.txt"} <= {path.name for path in previous.iterdir()}


@pytest.mark.parametrize("pixel, resumed", [(0, True), (1, False)])
def test_a_finished_run_is_made_longer_on_its_own_data_alone(tmp_path, pixel, resumed):
    def longer(iterations, data):
        options = {"seed": 0, "max_search_iter": iterations}
        kept = {"length": "max_search_iter", "keep_checkpoint": True}
        request = Request("macro_search", options, ("quiet",), command="again", data=data, **kept)
        return RunDirectory(tmp_path / "run", request, lambda line: None)

    with longer(2, record()) as run:
        run.monitors.series("Training loss", 0, 1.0)
        run.save({"child": {"W": np.zeros(1)}}, {"position": 1})
        run.finish({"summary": ["done"]})
    with longer(3, record(pixel=pixel)) as run:
        assert (run.resumed is not None) == resumed
    assert (tmp_path / "run" / "previous-1").exists() != resumed


def test_a_published_division_leaves_no_table(tmp_path):
    begin(tmp_path, record())
    dataset = make_dataset()
    published = ImageRecord(dataset, dict(zip(("training", "validation"), search_splits(dataset, 3), strict=True)))
    with open_run(tmp_path, data=published, restart=True):
        assert not (tmp_path / "run" / "split.csv").exists()
    assert published.facts["division"] == "test images of the source; the last training images validate"
    assert len(published.facts["sha256"]) == 64 and "division_sha256" not in published.facts


def test_texts_have_a_fingerprint():
    def text(*words):
        from datasets.penn_treebank import TextDataset

        arrays = [np.array(words, np.int32), np.array([0, 1], np.int32), np.array([1, 0], np.int32)]
        return TextRecord(TextDataset("text", ("a", "b"), *arrays)).facts

    assert text(0, 1, 1) == text(0, 1, 1)
    assert difference(text(0, 1, 1), text(0, 1, 0)) == "as many words, but different content"
    assert "words 3 training" in difference(text(0, 1, 1), text(0, 1))
    assert difference(None, text(0, 1)) == "" == difference(text(0), text(0))


def test_names_that_are_no_utf8_stand_in_the_table_of_parts(tmp_path):
    """A folder of images whose name is a byte, with such images."""
    begin(tmp_path, record(classes=("a", "\udcfe"), name="\udcff{}.png"))
    lines = (tmp_path / "run" / "split.csv").read_text().splitlines()
    assert len(lines) == 17 and all(r"\udcff" in line for line in lines[1:])
    assert {line.split(",")[1] for line in lines[1:]} == {"a", r"\udcfe"}
