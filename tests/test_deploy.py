"""The script that exports and uses retrained networks, on what retraining scripts leave."""

import json
import pathlib
import shutil
import subprocess
import sys

import nnabla as nn
import numpy as np
import pytest
from PIL import Image

import args
import deploy
from datasets import load_images
from deployment.export import load_nnp, read_facts, trained_network, write_nnp
from errors import UserError
from models.parameters import save_parameters
from runs.commands import script_command
from search_spaces import macro, micro
from search_spaces.files import save_architecture
from spaces import SPACES
from tests.deployment import numpy_torch

ROOT = pathlib.Path(__file__).parents[1]
ARCHITECTURES = {
    "macro": macro.MacroArchitecture(("conv3x3", "average_pool3x3", "max_pool3x3", "sepconv5x5"), ((), (1,), (0, 1), (1, 1, 0))),
    "micro": micro.MicroSpace(2).random(np.random.default_rng(4)),
}
OPTIONS = "--preset quick -c cpu -r 1 --train-size 64 --output-filter 4 --additional-filters-on-retrain 4 -m run -o weights"
CELLS = {"macro": "", "micro": "--num-cells 3"}


@pytest.fixture(scope="module", params=["macro", "micro"])
def retrained(request, tmp_path_factory):
    """A folder with an architecture `arch.txt`, a run directory `run` and the weights in `weights`."""
    folder = tmp_path_factory.mktemp(request.param)
    save_architecture(folder / "arch.txt", ARCHITECTURES[request.param])
    options = f"--recommended-arch arch.txt {OPTIONS} {CELLS[request.param]}".split()
    command = [sys.executable, ROOT / f"{request.param}_retrain.py", *options]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert script_command("deploy", "predict", folder / "weights" / "model.nnp") in done.stdout
    return folder


@pytest.fixture
def run(retrained, monkeypatch, capsys):
    """Run the script in the folder of a retraining; returns what it printed."""
    monkeypatch.chdir(retrained)

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["deploy.py", *map(str, arguments)])
        deploy.main()
        return capsys.readouterr().out

    return run


def weights():
    return next(pathlib.Path("weights").glob("params_*.h5"))


def test_the_network_answers_every_test_image_as_when_it_was_measured(retrained):
    dataset = load_images("digits")
    answers = load_nnp(retrained / "weights" / "model.nnp").probabilities(dataset.test_images).argmax(axis=1)
    confusion = np.zeros((10, 10), int)
    np.add.at(confusion, (dataset.test_labels, answers), 1)
    evaluation = json.loads((retrained / "run" / "evaluation.json").read_text())
    assert confusion.tolist() == evaluation["confusion"] and evaluation["classes"] == list("0123456789")
    recorded = float((retrained / "run" / "Test-accuracy.series.txt").read_text().split()[-1])
    assert recorded == pytest.approx((answers == dataset.test_labels).mean(), abs=1e-5)


def test_the_weights_make_the_same_network(run):
    assert run("export", weights(), "--recommended-arch", "arch.txt", "-o", "again.nnp") == "again.nnp\n"
    assert pathlib.Path("again.nnp").read_bytes() == pathlib.Path("weights/model.nnp").read_bytes()


def test_predict_prints_class_and_probability_of_every_picture(run):
    images = load_images("digits").test_images[:3, 0]
    for index, image in enumerate(images):
        Image.fromarray(image).save(f"{index}.png")
    Image.fromarray(images[0]).resize((64, 64), Image.Resampling.NEAREST).convert("RGB").save("large.jpg")
    probabilities = load_nnp("weights/model.nnp").probabilities(images[:, None])
    lines = run("predict", "weights/model.nnp", "0.png", "1.png", "2.png", "large.jpg").splitlines()
    for index, line in enumerate(lines[:3]):
        best = probabilities[index].argmax()
        assert line == f"{index}.png: {best} {100 * probabilities[index, best]:.2f} %"
    assert lines[3].startswith("large.jpg: ")
    assert run("predict", "weights/model.nnp", "0.png", "--top", "3").count("%") == 3
    both = (probabilities[0] + load_nnp("weights/model.nnp").probabilities(images[:1, None, :, ::-1])[0]) / 2
    assert run("predict", "weights/model.nnp", "0.png", "--mirrored") == f"0.png: {both.argmax()} {100 * both.max():.2f} %\n"


def test_an_output_that_is_not_finite_is_no_class(run):
    facts = read_facts("weights")
    options = args.revised(args.parse(facts["space"], args.RETRAIN, []), facts["options"])
    network = trained_network(SPACES[facts["space"]].final_network, facts, options, weights())
    network.scope.all()["fc/W"].d = np.where(np.arange(10) % 2, 3e38, -3e38)
    write_nnp("dead.nnp", network, network.scope.all(), facts)
    Image.fromarray(load_images("digits").test_images[0, 0]).save("0.png")
    with pytest.raises(UserError, match="the outputs of dead.nnp for 0.png are not finite"):
        run("predict", "dead.nnp", "0.png")


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["export", "weights/params_000000.h5", "-o", "a.nnp"], "no file weights/params_000000.h5"),
        (["export", "arch.txt", "-o", "a.nnp"], "arch.txt holds no weights; give params_"),
        (["export", "run/report.html", "-o", "a.onnx"], "report.html holds no weights"),
        (["export", "weights/model.nnp", "-o", "a.nnp"], "already"),
        (["export", "weights/model.nnp", "-o", "a.tflite"], "must end in"),
        (["export", "weights/model.nnp"], "required: -o"),
        (["export", "weights/model.nnp", "-o", "my-model.py"], "cannot import"),
        (["export", "weights/model.nnp", "-o", "nowhere/model.py"], "cannot write nowhere/model.py"),
        (["export", "arch.txt", "-o", "model.py"], "arch.txt holds no weights"),
        (["export", "PARAMS", "-o", "nowhere/a.nnp"], "cannot write nowhere"),
        (["export", "PARAMS", "--recommended-arch", "other.txt", "-o", "a.nnp"], "does not hold the architecture"),
        (["predict", "weights/model.nnp", "arch.txt"], "cannot read the image arch.txt"),
        (["predict", "PARAMS", "0.png"], "cannot read .*params"),
        (["predict", "weights/model.nnp"], "required: IMAGE"),
        ([], "required"),
    ],
)
def test_bad_input_is_one_line(run, retrained, arguments, message):
    space = {"macro": macro.MacroSpace(4), "micro": micro.MicroSpace(2)}[retrained.name.rstrip("0123456789")]
    save_architecture("other.txt", space.random(np.random.default_rng(77)))
    before = sorted(retrained.rglob("*"))
    with pytest.raises(UserError, match=message):
        run(*[weights() if argument == "PARAMS" else argument for argument in arguments])
    assert sorted(retrained.rglob("*")) == before


@pytest.mark.parametrize(
    "name, words, message",
    [
        ("start", ["export", "-o", "a.nnp"], "holds the weights of a controller; only networks can be exported"),
        ("start", ["export", "-o", "a.py"], "holds the weights of a controller; only networks can be exported"),
        ("start", ["predict", "0.png"], "holds the weights of a controller; only image networks predict"),
        ("embedding/W", ["predict", "0.png"], "holds the weights of a language model; only image networks predict"),
    ],
)
def test_weights_of_other_kinds_are_named(run, tmp_path, name, words, message):
    save_parameters(tmp_path / "params_000001.h5", {name: nn.Variable.from_numpy_array(np.zeros((2, 2), np.float32))})
    with pytest.raises(UserError, match=message):
        run(words[0], tmp_path / "params_000001.h5", *words[1:])
    assert not pathlib.Path("a.nnp").exists() and not pathlib.Path("a.py").exists()


def test_black_on_white_digits_can_be_inverted(run, capsys):
    pixels = load_images("digits").test_images[3, 0]
    for name, picture in (("white", pixels), ("black", 255 - pixels)):
        Image.fromarray(picture).save(f"{name}.png")
    white = run("predict", "weights/model.nnp", "white.png", "--top", 10)
    black = run("predict", "weights/model.nnp", "black.png", "--top", 10, "--invert")
    assert white.removeprefix("white.png") == black.removeprefix("black.png")
    deploy.main()
    assert "trained on white digits on black: the images were inverted" in capsys.readouterr().err


def test_facts_of_another_space_are_refused(run, retrained):
    shutil.copytree("weights", "another", dirs_exist_ok=True)
    facts = json.loads(pathlib.Path("another", "network.json").read_text())
    pathlib.Path("another", "network.json").write_text(json.dumps(facts | {"space": "recurrent", "architecture": "0 1 1 2"}))
    with pytest.raises(UserError, match="network.json is damaged .space missing or wrong"):
        run("export", next(pathlib.Path("another").glob("params_*.h5")), "-o", "a.nnp")
    assert not pathlib.Path("a.nnp").exists()


def test_options_that_were_tampered_with_are_refused(run, retrained):
    shutil.copytree("weights", "tampered", dirs_exist_ok=True)
    facts = json.loads(pathlib.Path("tampered/network.json").read_text())
    facts["options"]["output_filter"] = "large"
    pathlib.Path("tampered/network.json").write_text(json.dumps(facts))
    with pytest.raises(UserError, match="network.json beside .* is damaged"):
        run("export", pathlib.Path("tampered") / weights().name, "-o", "a.nnp")


def test_pytorch_gets_the_logits_of_the_network(run, monkeypatch):
    """By the stand-in for PyTorch that runs everywhere; `tests/deployment/test_pytorch.py` has the real one too."""
    assert run("export", "weights/model.nnp", "-o", "exported.py") == "exported.py\nexported.safetensors\n"
    run("export", weights(), "-o", "again.py")
    assert pathlib.Path("again.safetensors").read_bytes() == pathlib.Path("exported.safetensors").read_bytes()
    exported = numpy_torch.load_module("exported.py", monkeypatch)
    images = load_images("digits").test_images[:5]
    logits = exported.load()(exported.torch.tensor(images))
    expected = load_nnp("weights/model.nnp").probabilities(images)
    np.testing.assert_allclose(np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True), expected, atol=1e-4)
    assert tuple("0123456789") == exported.CLASSES


def test_foreign_weights_and_folders_of_the_name_stay(run, tmp_path):
    (tmp_path / "other.safetensors").write_bytes(b"theirs")
    (tmp_path / "folder.py").mkdir()
    for name in ("other.safetensors", "folder.py"):
        with pytest.raises(UserError, match=f"{name} exists already and is not .*; choose another name"):
            run("export", "weights/model.nnp", "-o", (tmp_path / name).with_suffix(".py"))
    assert (tmp_path / "other.safetensors").read_bytes() == b"theirs"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder.py", "other.safetensors"]


def test_without_its_package_onnx_is_refused_in_one_line(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(UserError, match="requires the package onnx: pip install 'onnx~="):
        run("export", weights(), "-o", "model.onnx")
    assert not pathlib.Path("model.onnx").exists()


def test_onnx_gives_the_same_probabilities(run):
    """Not where the optional packages are missing; see the extra "onnx" in pyproject.toml."""
    pytest.importorskip("onnx", reason="onnx is not installed")
    onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    images = load_images("digits").test_images[:8]
    run("export", weights(), "--recommended-arch", "arch.txt", "-o", "model.onnx")
    run("export", "weights/model.nnp", "-o", "again.onnx")
    assert pathlib.Path("model.onnx").read_bytes() == pathlib.Path("again.onnx").read_bytes()
    session = onnxruntime.InferenceSession("model.onnx")
    expected = load_nnp("weights/model.nnp").probabilities(images)
    for count in (1, 8):
        (found,) = session.run(None, {"pixels": images[:count].astype(np.float32)})
        np.testing.assert_allclose(found, expected[:count], rtol=1e-4, atol=1e-6)
    assert session.get_modelmeta().custom_metadata_map == {"classes": json.dumps(list("0123456789"))}
