"""The recurrent search and retraining from the command line to the files, on a text so small that it takes seconds."""

import csv
import json
import math
import shlex

import h5py
import numpy as np
import pytest

import deploy
import ptb_retrain
import ptb_search
from deployment.export import load_nnp
from errors import UserError
from search_spaces.files import load_architecture
from search_spaces.recurrent import PUBLISHED, RecurrentSpace
from tests.deployment import numpy_torch

SMALL = "-c cpu --child-lr 5 --preset quick --dataset ptb --data-dir text --hidden-size 8 --bptt 6 -b 4"
SEARCH = f"{SMALL} --num-nodes 3 -i 2 -C 2 --controller-steps 2 -m tmp.recurrent_monitor"
RETRAIN = f"{SMALL} -r 2 -s 10"


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    """Folder with three files: sentences of a few words, each of which foretells the next."""
    folder = tmp_path_factory.mktemp("corpus")
    for part, lines in (("train", 60), ("valid", 12), ("test", 8)):
        line = " the cat saw the dog and the dog saw <unk> .\n"
        (folder / f"ptb.{part}.txt").write_text(line * lines)
    return folder


@pytest.fixture
def run(tmp_path, text, monkeypatch, capsys):
    """Function that runs a script in a fresh folder and returns what it printed."""
    (tmp_path / "text").symlink_to(text)
    monkeypatch.chdir(tmp_path)

    def call(script, command):
        monkeypatch.setattr("sys.argv", [f"{script.__name__}.py", *shlex.split(command)])
        assert script.main() == 0
        return capsys.readouterr().out

    return call


FIRST = "-c cpu --preset authors-2018 -m tmp.recurrent_monitor --data-dir text --hidden-size 8 --bptt 6 -b 4"


def test_search_and_retraining_of_the_authors_first_code(run, tmp_path):
    """Old cells, normalized in the search alone; the printed command goes on with the same preset."""
    printed = run(ptb_search, f"{FIRST} --num-nodes 3 -i 3 -C 2 --controller-steps 2 --num-derive 3")
    folder = tmp_path / "tmp.recurrent_monitor"
    found = load_architecture(tmp_path / "recurrent_arch.npy", "recurrent")
    RecurrentSpace(3, "old").contains(found)
    assert np.load(tmp_path / "recurrent_arch.npy").shape == (7,)
    training = series(folder / "Training-perplexity.series.txt")
    assert training[2] < training[0] < 14 and (folder / "report.html").exists()
    run(ptb_search, "--sampling-only --num-sampling 1 -m tmp.recurrent_monitor")
    assert np.load(tmp_path / "sampled_recurrent_arch_0.npy").shape == (7,)

    command = next(line for line in printed.splitlines() if "ptb_retrain.py" in line).split("ptb_retrain.py")[1]
    assert "--preset=authors-2018" in command
    printed = run(ptb_retrain, f"{command} --hidden-size 8 --bptt 6 -b 4 -r 3 --child-lr 1")
    validation = series(folder / "retrain" / "Validation-perplexity.series.txt")
    result = json.loads((folder / "retrain" / "config.json").read_text())["finished"]
    assert f"test perplexity {result['perplexity']:.2f} after 3 epochs" in printed
    assert validation[2] < validation[0]
    network = load_nnp(folder / "retrain" / "model.nnp")
    assert network.facts["architecture"] == found.to_text() and len(network.facts["words"]) == 8
    with h5py.File(next((folder / "retrain").glob("params_*.h5"))) as weights:
        assert not any("bn" in name for name in _names(weights))


def _names(group):
    names = []
    group.visit(names.append)
    return names


@pytest.mark.parametrize(
    "changes, error",
    [
        ("--bptt 200", r"rows of \d+ tokens are too short for a segment of 200"),
        ("-b 30", r"rows of \d+ tokens are too short for a segment of 6"),
    ],
)
def test_a_text_without_a_whole_segment_is_refused_at_once(run, tmp_path, changes, error):
    with pytest.raises(UserError, match=error):
        run(ptb_search, f"{FIRST} {changes}")
    assert not (tmp_path / "tmp.recurrent_monitor").exists()


# Each of the first code's ways alone, under another preset.
ALONE = [
    "--arc-form old", "--node-batch-norm True", "--word-dropout lasting --drop-e 0.2", "--bptt-length constant",
    "--loss-reduction sum", "--beta 0.1 --beta-after-dropout True", "--lr-decay 0.5 --lr-decay-every 2 --child-lr-min 0.01",
    "--validation-segments whole", "--log-perplexity-cap 2", "--reward-segment anywhere", "--update all", "--init-range None",
]  # fmt: skip


@pytest.mark.parametrize("option", ALONE)
def test_each_way_of_the_first_code_alone(run, tmp_path, option):
    run(ptb_search, f"{SEARCH} --num-derive 2 --train-size 300 -i 1 {option}")
    (perplexity,) = series(tmp_path / "tmp.recurrent_monitor" / "Validation-perplexity.series.txt")
    assert perplexity == pytest.approx(math.exp(2)) if "cap" in option else perplexity < 14
    found = load_architecture(tmp_path / "recurrent_arch.npy", "recurrent")
    assert found.output == ("loose_ends" if "old" in option else "all")


def series(path):
    return [float(line.split()[1]) for line in path.read_text().splitlines()]


def test_search_then_the_printed_retraining(run, tmp_path, monkeypatch):
    printed = run(ptb_search, f"{SEARCH} --num-derive 3")
    folder = tmp_path / "tmp.recurrent_monitor"
    with open(folder / "architectures.csv") as file:
        rows = list(csv.DictReader(file))
    best = min(rows, key=lambda row: float(row["perplexity"]))
    assert len(rows) == 2 * 3
    found = load_architecture(tmp_path / "recurrent_arch.npy", "recurrent")
    assert found.to_text() == best["architecture"]
    RecurrentSpace(3).contains(found)
    assert f"best perplexity {float(best['perplexity']):.2f}" in printed
    assert len(series(folder / "Validation-perplexity.series.txt")) == 2
    training = series(folder / "Training-perplexity.series.txt")
    assert training[1] < training[0] < 14  # there are 9 words
    assert not (folder / "checkpoint").exists() and (folder / "controller_params.h5").exists()

    command = next(line for line in printed.splitlines() if "ptb_retrain.py" in line).split("ptb_retrain.py")[1]
    printed = run(ptb_retrain, f"{command} --hidden-size 8 --bptt 6 -b 4 -r 2")
    result = json.loads((folder / "retrain" / "config.json").read_text())["finished"]
    validation = series(folder / "retrain" / "Validation-perplexity.series.txt")
    assert f"test perplexity {result['perplexity']:.2f} after 2 epochs" in printed
    assert len(validation) == 2 and validation[1] < validation[0]
    assert not (folder / "retrain" / "Test-perplexity.series.txt").exists()

    words = shlex.split(next(line for line in printed.splitlines() if "deploy.py" in line).split("deploy.py")[1])
    monkeypatch.setattr("sys.argv", ["deploy.py", *words])
    deploy.main()
    assert exported_perplexity(monkeypatch, tmp_path) == pytest.approx(result["perplexity"], rel=1e-4)
    with pytest.raises(UserError, match="model.nnp holds a language model; only image networks predict"):
        monkeypatch.setattr("sys.argv", ["deploy.py", "predict", words[1], "0.png"])
        deploy.main()


def exported_perplexity(monkeypatch, folder):
    """Perplexity on the test text of `model.py` in a folder, run by the stand-in for PyTorch."""
    network = numpy_torch.load_module(folder / "model.py", monkeypatch).load()
    numbers = network.numbers((folder / "text" / "ptb.test.txt").read_text())
    logits, _ = network(numbers[:-1])
    log_probabilities = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    return np.exp(-np.take_along_axis(log_probabilities, numbers[1:, :, None], axis=2).mean())


def test_an_arc_of_the_old_form_retrains(run, tmp_path):
    (tmp_path / "old.txt").write_text(PUBLISHED["enas-old"].to_text())
    printed = run(ptb_retrain, f"{RETRAIN} --recommended-arch old.txt -m here -o weights")
    assert "recurrent cell of 11 nodes after node 0" in printed
    assert sorted(path.name for path in (tmp_path / "weights").glob("*.h5"))[0] == "params_000010.h5"
    assert "finished" in run(ptb_retrain, f"{RETRAIN} --recommended-arch old.txt -m here -o weights")


@pytest.mark.parametrize("extra, rows", [("--controller random", 2), ("--schedule best-candidate", 1)])
def test_other_ways_to_search(run, tmp_path, extra, rows):
    run(ptb_search, f"{SEARCH} --num-derive 2 --train-size 200 -i 1 {extra}")
    lines = (tmp_path / "tmp.recurrent_monitor" / "architectures.csv").read_text().splitlines()[1:]
    assert len(lines) == rows


def test_early_stop_and_sampling(run, tmp_path):
    run(ptb_search, f"{SEARCH} --num-derive 2 --train-size 200 -i 9 --early-stop-under 1000")
    assert len(series(tmp_path / "tmp.recurrent_monitor" / "Validation-perplexity.series.txt")) == 1
    run(ptb_search, "--sampling-only --num-sampling 2 -m tmp.recurrent_monitor")
    assert np.load(tmp_path / "sampled_recurrent_arch_1.npy", allow_pickle=False).shape == (6,)


def test_two_searches_of_one_seed_are_equal_to_the_byte(run, tmp_path):
    for name in ("one", "two"):
        run(ptb_search, f"{SEARCH} --num-derive 2 --train-size 300 --seed 7 -m {name} --recommended-arch {name}.npy")
    assert (tmp_path / "one.npy").read_bytes() == (tmp_path / "two.npy").read_bytes()
    for path in ("architectures.csv", "Training-loss.series.txt", "Validation-perplexity.series.txt"):
        assert (tmp_path / "one" / path).read_bytes() == (tmp_path / "two" / path).read_bytes()
