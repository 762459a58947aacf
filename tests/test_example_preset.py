"""`--preset nnabla-example` is NNabla's example, line by line; its command lines do what its README says."""

import shlex
import signal

import nnabla as nn
import numpy as np
import pytest

import args
import macro_retrain
import macro_search
from benchmarks.option_task import make_task
from reporting.run_files import read_run
from search_spaces.macro import MacroSpace
from tests.toys import contents
from training.image_trainer import ImageTrainer

# What the example does: its options' defaults, and its training value by value.
BOTH = {
    "batch_size": 64, "child_lr": 0.1, "child_lr_min": 0.0, "weight_decay": 0.00025, "decay_batch_norm": True,
    "child_optimizer": "momentum", "keep_prob": 0.5, "augmentation": "rotation", "clip_norm": "tensor", "grad_clip_value": 5.0,
    "lr_schedule": "cosine", "lr_warmup": 0.0, "label_smoothing": 0.0, "monitor_interval": 100, "dataset": "cifar10",
    "type_config": "float", "device_id": "0",
}
SEARCH = {
    "max_search_iter": 350, "num_candidate": 10, "early_stop_over": 1.0, "lstm_size": 32, "lstm_layers": 2,
    "entropy_weight": None, "temperature": None, "tanh_constant": 1.5, "baseline_decay": 0.999, "control_lr": 0.001,
    "control_optimizer": "momentum", "control_weight_decay": 0.025, "select_strategy": "best", "use_variance_reduction": False,
    "sampling_only": False, "num_sampling": 5, "epoch_per_search": 2, "with_grad_clip_on_search": False,
    "lr_control_on_search": False, "val_iter": 100, "schedule": "best-candidate", "fresh_momentum": True, "update": "used",
}
RETRAIN = {
    "additional_filters_on_retrain": 60, "epoch_on_retrain": 350, "with_grad_clip_on_retrain": True, "cutout": 0,
    "lr_control_on_retrain": True, "model_save_interval": 1000, "save_first_weights": True,
}
MACRO = {"output_filter": 36, "monitor_path": "tmp.macro_monitor", "recommended_arch": "macro_arch.npy"}
MICRO = {
    "output_filter": 20, "num_cells": 6, "monitor_path": "tmp.micro_monitor", "recommended_arch": "micro_arch.npy",
    "auxiliary_head": True, "auxiliary_form": "example", "auxiliary_weight": 1.0,
}
TABLE = {
    ("macro", "search"): BOTH | SEARCH | MACRO | {"num_layers": 12, "num_ops": 6, "skip_prob": 0.8, "skip_weight": 1.5},
    ("micro", "search"): BOTH | SEARCH | MICRO | {"num_nodes": 7, "num_ops": 5, "op_tanh_reduce": 1.0},
    ("macro", "retrain"): BOTH | RETRAIN | MACRO,
    ("micro", "retrain"): BOTH | RETRAIN | MICRO | {"drop_path_keep_prob": 1.0},
}
SMALL = "--dataset digits -c cpu --cpu-threads 1 --num-layers 3 --output-filter 4 -f 0 -b 64 --seed 3"


@pytest.mark.parametrize("space, job", TABLE)
def test_the_preset_has_the_examples_values(space, job):
    config = args.parse(space, job, ["--preset", "nnabla-example"])
    assert {name: getattr(config, name) for name in TABLE[space, job]} == TABLE[space, job]


def run(script, words, monkeypatch):
    monkeypatch.setattr("sys.argv", ["script", *shlex.split(words)])
    assert script.main() == 0


def points(folder, name):
    return [(int(i), float(v)) for i, v in (line.split() for line in (folder / f"{name}.series.txt").read_text().splitlines())]


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    """A folder with a search under the preset: 400 images, 7 mini-batches an epoch, two epochs an iteration."""
    folder = tmp_path_factory.mktemp("example")
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.chdir(folder)
        run(macro_search, f"--preset nnabla-example {SMALL} --train-size 400 -i 2 -C 2 -j 2 --validation-size 100 "
            "--monitor-interval 5", monkeypatch)  # fmt: skip
    return folder


def test_a_search_counts_mini_batches_as_the_example(searched):
    folder = searched / "tmp.macro_monitor"
    for name in ("Training-loss", "Training-accuracy"):
        assert [index for index, _ in points(folder, name)] == [4, 9, 14, 19, 24]
    assert [index for index, _ in points(folder, "Learning-rate")] == [6, 13, 20, 27]
    assert [index for index, _ in points(folder, "Validation-accuracy")] == [0, 1]
    series = read_run(folder).series
    assert [index for index, _ in series["Learning-rate"]] == [0, 1, 2, 3]
    assert [index for index, _ in series["Training-loss"]] == pytest.approx([i / 7 - 1 for i in (5, 10, 15, 20, 25)])


RETRAINING = f"--preset nnabla-example {SMALL} --recommended-arch macro_arch.npy --train-size 400 -r 2 -s 6"


def test_a_retraining_counts_mini_batches_and_keeps_the_first_weights(searched, monkeypatch):
    monkeypatch.chdir(searched)
    for interval in (1, 5):
        run(macro_retrain, f"{RETRAINING} --monitor-interval {interval} --monitor-path {interval}", monkeypatch)
    each, five = ([points(searched / interval, "Training-loss") for interval in ("1", "5")])
    assert [index for index, _ in each] == list(range(14)) and [index for index, _ in five] == [4, 9]
    means = [np.mean([loss for _, loss in each[first : first + 5]]) for first in (0, 5)]
    assert [loss for _, loss in five] == pytest.approx(means, rel=1e-4)  # across the end of an epoch, too
    assert [index for index, _ in points(searched / "5", "Test-accuracy")] == [6, 13]
    assert [index for index, _ in read_run(searched / "5").held_out()[1]] == [0, 1]
    weights = sorted(path.name for path in (searched / "5").glob("params_*.h5"))
    assert weights == [f"params_{number:06d}.h5" for number in (0, 6, 12, 14)]
    nn.clear_parameters()
    nn.load_parameters(str(searched / "5" / "params_000000.h5"))
    first = {name: variable.d.copy() for name, variable in nn.get_parameters(grad_only=False).items()}
    nn.clear_parameters()
    assert all((array == 1).all() for name, array in first.items() if name.endswith(("gamma", "var")))
    assert first["fc/W"].std() > 0 and set(first) == weights_of(searched / "5" / "params_000014.h5")


def weights_of(path):
    nn.load_parameters(str(path))
    names = set(nn.get_parameters(grad_only=False))
    nn.clear_parameters()
    return names


def test_interrupted_under_the_preset_it_ends_with_the_same_files(searched, monkeypatch):
    """Stopped in the middle of an interval, by a signal that the script gives itself."""
    monkeypatch.chdir(searched)
    words = f"{RETRAINING} --monitor-interval 5"
    run(macro_retrain, f"{words} --monitor-path whole", monkeypatch)
    train_step = ImageTrainer.train_step

    def stop_in_epoch_1(self, architecture, epoch, step):
        train_step(self, architecture, epoch, step)
        if (epoch, step) == (1, 0):
            signal.raise_signal(signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr(ImageTrainer, "train_step", stop_in_epoch_1)
        patch.setattr("sys.argv", ["script", *shlex.split(f"{words} --monitor-path stopped")])
        with pytest.raises(SystemExit):
            macro_retrain.main()
    run(macro_retrain, f"{words} --monitor-path stopped", monkeypatch)
    whole, stopped = (contents(searched / name) for name in ("whole", "stopped"))
    told = [name for name in whole if name.endswith((".series.txt", ".h5"))]
    assert len(told) > 6 and {name: whole[name] for name in told} == {name: stopped[name] for name in told}


def test_momentum_begins_anew_with_every_candidate():
    options = f"--preset nnabla-example {SMALL} --validation-size 8"
    weights = {}
    for fresh in ("True", "False"):
        trainer = make_task(args.parse("macro", "search", [*options.split(), "--fresh-momentum", fresh]), 64).trainer
        architecture = MacroSpace(3).random(np.random.default_rng(0))
        moments = []
        for epoch in range(4):
            trainer.train_step(architecture, epoch, 0)
            moments.append(trainer.state()["child_optimizer"]["momentum/fc/W"])
        weights[fresh] = moments
    same = [np.array_equal(*pair) for pair in zip(weights["True"], weights["False"], strict=True)]
    assert same == [True, True, False, False]  # epochs 0 and 2 begin an iteration


# The example's README, its two command lines: what follows them makes them small and takes the CPU.
SEARCH_LINE = "--device-id 0 --context 'cudnn' --monitor-path 'search.monitor' --recommended-arch found.npy"
RETRAIN_LINE = (
    "--device-id 0 --context 'cudnn' --recommended-arch found.npy --monitor-path 'result.monitor' "
    "{option} 'result.monitor'"
)
TINY = "--context cpu --cpu-threads 1 --preset quick --output-filter 4 -f 0 --train-size 64 --batch-size 32"


@pytest.mark.parametrize("option", ["--model-save-path", "--monitor-save-path"])
def test_the_command_lines_of_its_readme(option, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    line = RETRAIN_LINE.format(option=option)
    assert args.parse("macro", "retrain", shlex.split(line)).context == "cudnn"
    run(macro_search, f"{SEARCH_LINE} {TINY} --num-layers 3 -i 1 -e 1 -C 2 --controller-steps 1 --num-derive 1", monkeypatch)
    assert (tmp_path / "found.npy").is_file()
    left = {path.name for path in (tmp_path / "search.monitor").iterdir()}
    assert "Training-loss.series.txt" in left and not any(name.startswith("params_") for name in left)
    run(macro_retrain, f"{line} {TINY} -r 2", monkeypatch)
    left = {path.name for path in (tmp_path / "result.monitor").iterdir()}
    assert {"params_000004.h5", "Training-loss.series.txt", "Test-accuracy.series.txt"} <= left
    assert sorted(path.name for path in tmp_path.iterdir()) == ["found.npy", "result.monitor", "search.monitor"]


def test_weights_go_into_their_own_folder_when_two_are_given(tmp_path, monkeypatch):
    """Beside a search, too, whose folder keeps its files: the curves of the retraining are in its folder `retrain`."""
    monkeypatch.chdir(tmp_path)
    run(macro_search, f"-m both --recommended-arch found.npy {TINY} --num-layers 3 -i 1 -e 1 -C 2 --controller-steps 1 "
        "--num-derive 1", monkeypatch)  # fmt: skip
    run(macro_retrain, f"-m both --monitor-save-path weights/here --recommended-arch found.npy {TINY} -r 2", monkeypatch)
    assert [path.name for path in tmp_path.rglob("params_*.h5")] == ["params_000004.h5"]
    assert (tmp_path / "weights" / "here" / "params_000004.h5").is_file()
    assert (tmp_path / "both" / "retrain" / "Test-accuracy.series.txt").is_file()
