"""Making the folder of the pretrained network, in small."""

import json
import re
import shutil
import sys
import zipfile

import pytest
from PIL import Image

from experiments import pretrained
from experiments.commands import Command, run_all

TINY = {
    "preset": "quick", "output_filter": 4, "additional_filters_on_retrain": 0, "batch_size": 64, "train_size": 128,
    "validation_size": 64, "num_derive": 2, "max_search_iter": 1, "epoch_per_search": 1, "controller_steps": 1,
    "num_candidate": 2, "epoch_on_retrain": 2, "num_layers": 4, "processes": 1, "seed": 3,
}  # fmt: skip
CARD = """by hand
<!-- facts: made by experiments.pretrained -->
<!-- end of facts -->
<!-- pictures: made by experiments.pretrained -->
<!-- end of pictures -->
"""


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Run directories of a search and of the retraining of what it found."""
    folder = tmp_path_factory.mktemp("runs")
    found = folder / "found.npy"
    run_all([Command("macro_search", folder / "search", TINY | {"recommended_arch": found})], 1, print)
    run_all([Command("macro_retrain", folder / "training", TINY | {"recommended_arch": found})], 1, print)
    return folder / "search", folder / "training"


@pytest.fixture
def make(tmp_path, monkeypatch):
    """Run the module on two run directories; its folder is a new one with a card and a picture."""
    monkeypatch.setattr(pretrained, "FOLDER", tmp_path)
    (tmp_path / "MODEL_CARD.md").write_text(CARD)
    (tmp_path / "pictures").mkdir()
    Image.new("L", (20, 20), 90).save(tmp_path / "pictures" / "gray.png")

    def make(search, training):
        monkeypatch.setattr(sys, "argv", ["pretrained", "--search", str(search), "--training", str(training)])
        pretrained.main()
        return tmp_path

    return make


def test_the_folder_says_what_the_runs_say(make, runs):
    folder = make(*runs)
    record = json.loads((folder / "record.json").read_text())
    finished = json.loads((runs[1] / "config.json").read_text())["finished"]
    assert record["seed"] == 3 and ", seed 3, " in (folder / "MODEL_CARD.md").read_text()
    assert record["accuracy"] == pytest.approx(100 * finished["accuracy"])
    assert [len(curve) for curve in record["curves"].values()] == [2, 2] and list(record["pictures"]) == ["gray"]
    archives = [zipfile.ZipFile(place / "model.nnp") for place in (folder, runs[1])]
    for part in ("parameter.h5", "network.nntxt"):
        assert archives[0].read(part) == archives[1].read(part)
    assert not re.search(r'"/\w', archives[0].read("network.json").decode()), "no path of this machine"
    assert json.loads((folder / "macro_arch.json").read_text())["origin"]["iteration"] == 1
    assert (folder / "curves.png").read_bytes().startswith(b"\x89PNG")
    card = (folder / "MODEL_CARD.md").read_text()
    assert card.startswith("by hand\n") and f"| {record['accuracy']:.2f} % |" in card and "| gray | " in card


def test_nothing_comes_of_a_run_that_has_not_ended(make, runs, tmp_path):
    copy = shutil.copytree(runs[1], tmp_path / "copy")
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps(config | {"finished": None}))
    with pytest.raises(pretrained.UserError, match="has not come to its end"):
        make(runs[0], copy)
    assert not (tmp_path / "model.nnp").exists()


def test_the_retraining_is_of_what_was_found(make, runs, tmp_path):
    other = tmp_path / "other"
    architecture = "0 1 1 2 1 1 0 0 1 0"
    command = Command("macro_retrain", other, TINY | {"recommended_arch": architecture, "epoch_on_retrain": 1})
    run_all([command], 1, print)
    with pytest.raises(pretrained.UserError, match="did not train what"):
        make(runs[0], other)
