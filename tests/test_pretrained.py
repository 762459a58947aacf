"""The network that comes with the project: what its model card says of it is so."""

import json
import os
import pathlib
import re
import runpy
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import deploy
from datasets.download import data_home
from deployment.export import load_nnp, with_facts
from experiments import pretrained
from search_spaces.files import load_architecture

ROOT = pathlib.Path(__file__).parents[1]
FOLDER = ROOT / "pretrained"
RECORD = json.loads((FOLDER / "record.json").read_text())
PICTURES = sorted((FOLDER / "pictures").glob("*.png"))
LARGEST = 8 << 20  # bytes of a model that everybody who clones the project fetches


def cifar10():
    """Folder with CIFAR-10, or None: the one that CIFAR10 in the environment names, else where runs download it."""
    folder = pathlib.Path(os.environ.get("CIFAR10", data_home()))
    found = [*folder.glob("cifar-10-binary.tar.gz"), *folder.glob("test_batch.bin"), *folder.glob("cifar-10-batches-bin")]
    return folder if found else None


@pytest.fixture(scope="module")
def model():
    return load_nnp(FOLDER / "model.nnp")


def test_predict_answers_for_every_picture_as_recorded(monkeypatch, capsys):
    """With the command of the README, from the project's folder."""
    monkeypatch.chdir(ROOT)
    names = [str(path.relative_to(ROOT)) for path in PICTURES]
    monkeypatch.setattr(sys, "argv", ["deploy.py", "predict", "pretrained/model.nnp", *names])
    deploy.main()
    lines = capsys.readouterr().out.splitlines()
    answers = [re.fullmatch(r"pretrained/pictures/(\S+)\.png: (\w+) ([\d.]+) %", line) for line in lines]
    assert [answer[1] for answer in answers] == list(RECORD["pictures"])
    assert len(PICTURES) == 12
    for (name, answer, percent), recorded in zip((found.groups() for found in answers), RECORD["pictures"].values(), strict=True):
        assert (name, answer) == (name, recorded["answer"])
        assert float(percent) == pytest.approx(recorded["percent"], abs=0.1)


def test_the_card_says_what_is_recorded(model):
    card = (FOLDER / "MODEL_CARD.md").read_text()
    assert f"{RECORD['accuracy']:.2f} %" in card and f"{RECORD['parameters']:,} parameters" in card
    assert f"{RECORD['multiply_adds']:,} multiply-adds" in card and model.facts["classes"] == RECORD["classes"]
    for name, recorded in RECORD["pictures"].items():
        assert f"| {name} | {recorded['answer']} | {recorded['percent']:.2f} % |" in card
    assert (FOLDER / "model.nnp").stat().st_size <= LARGEST


def test_its_architecture_is_the_one_that_the_search_wrote(model):
    architecture = load_architecture(FOLDER / "macro_arch.json", "macro")
    assert architecture.to_text() == model.facts["architecture"]


def test_nothing_in_it_tells_of_the_machine_that_made_it(model):
    """Paths are nobody's business."""
    assert not [value for value in model.facts["options"].values() if isinstance(value, str) and value.startswith("/")]


def test_the_pictures_are_those_that_the_script_draws(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "argv", ["draw_pictures.py", str(tmp_path)])
    runpy.run_path(str(FOLDER / "draw_pictures.py"), run_name="__main__")
    assert sorted(path.name for path in tmp_path.iterdir()) == [path.name for path in PICTURES]
    for path in PICTURES:
        drawn, kept = (np.asarray(Image.open(folder / path.name), dtype=int) for folder in (tmp_path, path.parent))
        assert np.abs(drawn - kept).mean() < 1, path.name  # another Pillow may round otherwise


@pytest.mark.slow
@pytest.mark.skipif(cifar10() is None, reason="no CIFAR-10 at hand: CIFAR10=FOLDER names it")
def test_it_has_the_recorded_accuracy_on_the_test_images():
    command = [sys.executable, "macro_retrain.py", "--evaluate-only", "--initial-weights", "pretrained/model.nnp", "-c", "cpu"]
    done = subprocess.run([*command, "--data-dir", cifar10()], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = float(re.search(r"test accuracy ([\d.]+) %", done.stdout)[1])
    assert found == pytest.approx(RECORD["accuracy"], abs=0.2)


def test_what_is_published_keeps_the_names_of_files_alone(tmp_path, model):
    source = FOLDER / "model.nnp"
    facts = model.facts | {"options": model.facts["options"] | {"data_dir": "/home/somebody/cifar", "seed": 7}}
    (tmp_path / "own.nnp").write_bytes(with_facts(source.read_bytes(), facts))
    pretrained.publish(tmp_path / "own.nnp", tmp_path / "public.nnp")
    published = load_nnp(tmp_path / "public.nnp")
    assert (published.facts["options"]["data_dir"], published.facts["options"]["seed"]) == ("cifar", 7)
    image = np.zeros((1, 3, 32, 32), np.uint8)
    np.testing.assert_array_equal(published.probabilities(image), model.probabilities(image))
