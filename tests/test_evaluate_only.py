"""--evaluate-only: the weights of a retraining measured again, and nothing changed."""

import json
import os
import shutil

import pytest

import enas
from datasets import load_images
from deployment.export import load_nnp
from errors import UserError
from runs.jobs import script
from spaces import SPACES
from tests.test_initial_weights import CELLS, MACRO, MICRO, RECURRENT, SMALL, own_data, retrain, texts
from tests.toys import snapshot
from training.retrain import Retraining

OPTIONS = {
    "macro": (MACRO, lambda folder: SMALL),
    "micro": (MICRO, lambda folder: SMALL | CELLS),
    "recurrent": (RECURRENT, lambda folder: texts(folder / "text", "the cat sat <unk>")),
}


@pytest.fixture(scope="module", params=OPTIONS)
def trained(request, tmp_path_factory):
    """(space, finished retraining)"""
    folder = tmp_path_factory.mktemp(request.param)
    architecture, options = OPTIONS[request.param]
    more = {} if request.param == "recurrent" else {"save_first_weights": True}
    return request.param, retrain(folder / "run", request.param, architecture, **options(folder), **more)


@pytest.fixture
def evaluate(monkeypatch, capsys):
    """Function of a space and words: the last line that --evaluate-only prints."""

    def run(space, *words):
        monkeypatch.setattr("sys.argv", ["retrain.py", "--evaluate-only", "--context=cpu", *map(str, words)])
        capsys.readouterr()
        assert script(SPACES[space], "retrain")() == 0
        return capsys.readouterr().out.splitlines()

    return run


def test_a_finished_run_has_its_recorded_quality(trained, evaluate, tmp_path, monkeypatch):
    space, result = trained
    before = snapshot(result.folder)
    monkeypatch.chdir(tmp_path)
    line = evaluate(space, "-m", result.folder)[-1]
    assert line.startswith(result.summary.splitlines()[0].partition(" after")[0])
    assert line.endswith(f": {result.weights}, the weights at the end of 1 epochs")
    assert snapshot(result.folder) == before and not list(tmp_path.iterdir())
    assert evaluate(space, "-m", result.folder, "--quiet") == [line]


def test_weights_of_another_run_in_the_same_folder_are_not_taken(trained, evaluate, tmp_path):
    space, result = trained
    folder = tmp_path / "run"
    shutil.copytree(result.folder, folder)
    (folder / "params_900000.h5").write_bytes(b"of a longer run")
    weights = folder / result.weights.name
    assert evaluate(space, "-m", folder)[-1].endswith(f": {weights}, the weights at the end of 1 epochs")
    weights.unlink()
    with pytest.raises(UserError, match="there are no weights"):
        evaluate(space, "-m", folder)


def test_other_weights_beside_and_alone(trained, evaluate):
    space, result = trained
    lines = evaluate(space, "-m", result.folder, "--initial-weights", result.model)
    quality = result.summary.splitlines()[0].partition(" after")[0]
    assert [line for line in lines if line.startswith(quality)][1].endswith(f": {result.model}")
    assert evaluate(space, "--initial-weights", result.weights)[-1].startswith(quality)
    if space == "macro":  # another network: nothing was trained yet
        first = result.folder / "params_000000.h5"
        assert evaluate(space, "--initial-weights", first, "--quiet")[0].endswith(f": {first}")


def test_images_and_their_mirror_images(evaluate, tmp_path):
    result = retrain(tmp_path / "run", epochs=6, **SMALL | {"train_size": 200})
    digits, model = load_images("digits"), load_nnp(result.model)
    plain, turned = (model.probabilities(images) for images in (digits.test_images, digits.test_images[..., ::-1]))
    for answers, words in ((plain, ()), (plain + turned, ("--mirrored",))):
        right = 100 * (answers.argmax(axis=1) == digits.test_labels).mean()
        both = " (mean of each image and its mirror image)" if words else ""
        assert evaluate("macro", "-m", result.folder, *words)[-1].startswith(f"test accuracy {right:.2f} %{both}: ")
    assert (plain.argmax(axis=1) != (plain + turned).argmax(axis=1)).any(), "or this test shows nothing"


def test_an_interrupted_run_is_measured_at_its_checkpoint(evaluate, tmp_path, monkeypatch):
    folder = tmp_path / "run"
    with monkeypatch.context() as patch:
        patch.setattr("training.retrain.Retraining._record", _fail_in_second_epoch)
        with pytest.raises(ZeroDivisionError):
            retrain(folder, epochs=3, **SMALL)
    before = snapshot(folder)
    line = evaluate("macro", "-m", folder)[-1]
    assert line.endswith(f"the last checkpoint of the unfinished run in {folder}, after 1 of 3 epochs, 2 mini-batches")
    recorded = float((folder / "Test-accuracy.series.txt").read_text().split()[1])
    assert line.startswith(f"test accuracy {100 * recorded:.2f} %") and snapshot(folder) == before


_record = Retraining._record


def _fail_in_second_epoch(self, epoch):
    return _record(self, epoch) if epoch == 0 else 1 / 0


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    return retrain(tmp_path_factory.mktemp("finished") / "run", **SMALL)


CONFLICTS = {
    "--batch-size is 5, but what .* holds was trained with 20; leave the option out": ["-b", "5"],
    "is not the architecture of what is evaluated; leave --recommended-arch out": ["--recommended-arch", "0 1 1 2 1 0"],
    "there is no file none.h5": ["--initial-weights", "none.h5"],
    r"there are no weights .* in /; give their --monitor-save-path": ["--monitor-save-path", "/"],
}


@pytest.mark.parametrize("message", CONFLICTS)
def test_conflicts_are_refused(evaluate, finished, message):
    with pytest.raises(UserError, match=message):
        evaluate("macro", "-m", finished.folder, *CONFLICTS[message])


def test_a_run_of_before_an_option_was_there_is_as_without_it(evaluate, finished, tmp_path):
    """Whatever its preset says today: CutOut of 8 pixels, for one."""
    folder = shutil.copytree(finished.folder, tmp_path / "run")
    config = json.loads((folder / "config.json").read_text())
    config["options"]["preset"] = "evening"
    assert config["options"].pop("cutout") == 0
    (folder / "config.json").write_text(json.dumps(config))
    assert evaluate("macro", "-m", folder, "--preset", "evening", "--cutout", "0")[-1].startswith("test accuracy")
    with pytest.raises(UserError, match="--cutout is 8, but what .* holds was trained with 0"):
        evaluate("macro", "-m", folder, "--preset", "evening", "--cutout", "8")


def test_what_is_no_retraining_is_refused(evaluate, tmp_path):
    with pytest.raises(UserError, match="holds no macro_retrain run to evaluate"):
        evaluate("macro", "-m", tmp_path / "none")
    assert not list(tmp_path.iterdir())
    with pytest.raises(UserError, match="option of the scripts"):
        enas.retrain(MACRO, "macro", monitor_path=tmp_path / "none", evaluate_only=True)


def test_other_data_and_other_classes_are_refused(evaluate, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    options = own_data("own.npz", 3)
    result = retrain("run", **options)
    monkeypatch.chdir("/")
    assert evaluate("macro", "-m", result.folder)  # the recorded path is relative to where the run was begun
    os.chdir(tmp_path)
    other = retrain("other", **SMALL)
    with pytest.raises(UserError, match="tells other classes or words apart"):
        evaluate("macro", "-m", "run", "--initial-weights", other.weights)
    own_data("own.npz", 2)
    with pytest.raises(UserError, match="the data have changed since the run"):
        evaluate("macro", "-m", "run")
