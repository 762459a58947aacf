"""Data of one's own through the scripts: from pictures in folders to a search, a retraining and the name of a class."""

import csv
import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from tests.test_scripts import ROOT, script

CLASSES = ("bars", "red fox", "sky & sea")
SEARCH = (
    "-c cpu --cpu-threads 1 --preset quick --num-layers 3 --output-filter 4 -b 16 -i 1 -e 1 -C 2 --controller-steps 1 "
    "--num-derive 2"
)
PLACE = "--monitor-path tmp.macro_monitor --recommended-arch macro_arch.npy"
RETRAIN = "-c cpu --cpu-threads 1 --preset quick --output-filter 4 --additional-filters-on-retrain 4 -b 16"


def picture(number, kind, height=20, width=30):
    """Another one for every number, of one of three kinds."""
    pixels = np.random.default_rng(number).integers(0, 120, (height, width, 3), np.uint8)
    if kind == 0:
        pixels[::4] = 230
    else:
        pixels[..., 0 if kind == 1 else 2] = 220
    return Image.fromarray(pixels)


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    """A folder with pictures of three classes, sorted as every folder is, a search on them and a retraining."""
    folder = tmp_path_factory.mktemp("own")
    for kind, name in enumerate(CLASSES):
        (folder / "pictures" / name).mkdir(parents=True)
        for number in range(40):
            path = folder / "pictures" / name / f"{number}.{('png', 'jpg', 'bmp', 'webp')[number % 4]}"
            picture(100 * kind + number, kind).save(path)
    data = "--dataset folder --data-dir pictures --image-size 13x17"
    printed = script("macro_search", f"{SEARCH} {data} --epoch-per-search 3 {PLACE}", folder)
    script("macro_retrain", f"{RETRAIN} {data} --recommended-arch macro_arch.npy --monitor-path retrained -r 4", folder)
    return folder, printed


def config(folder, run):
    return json.loads((folder / run / "config.json").read_text())


def test_a_search_writes_down_its_data(searched):
    folder, printed = searched
    assert "folder: 77 training and 19 validation images of 13x17 pixels, 3 channels, 3 classes" in printed
    assert "--dataset=folder --data-dir=pictures" not in printed and f"--data-dir={folder}/pictures" in printed
    assert "--image-size=13x17" in printed
    data = config(folder, "tmp.macro_monitor")["data"]
    assert (data["dataset"], data["image_shape"], tuple(data["classes"])) == ("folder", [3, 13, 17], CLASSES)
    assert data["images"] == {"training": 77, "validation": 19, "test": 24}
    with open(folder / "tmp.macro_monitor" / "split.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len({row["image"] for row in rows}) == 120
    for part, least in (("training", 25), ("validation", 6), ("test", 8)):
        found = [row["class"] for row in rows if row["part"] == part]
        assert all(least <= found.count(name) <= least + 1 for name in CLASSES)
    assert all(row["image"].startswith(f"{row['class']}/") for row in rows)


def test_the_retraining_tests_on_what_the_search_has_not_seen(searched):
    folder, _ = searched
    tested = {}
    for run in ("tmp.macro_monitor", "retrained"):
        with open(folder / run / "split.csv", newline="") as file:
            tested[run] = [row["image"] for row in csv.DictReader(file) if row["part"] == "test"]
    assert tested["retrained"] == tested["tmp.macro_monitor"] and len(set(tested["retrained"])) == 24
    search, retraining = config(folder, "tmp.macro_monitor")["data"], config(folder, "retrained")["data"]
    assert search["sha256"] == retraining["sha256"] and retraining["images"] == {"training": 96, "test": 24}


def test_sorted_classes_are_learned(searched):
    """What was cut from the end of sorted classes was of a class that was never trained: 0 %."""
    folder, _ = searched
    lines = (folder / "retrained" / "Test-accuracy.series.txt").read_text().split()
    assert float(lines[-1]) > 0.9
    lines = (folder / "tmp.macro_monitor" / "Validation-accuracy.series.txt").read_text().split()
    assert float(lines[-1]) > 0.5


def test_class_names_reach_the_report_the_network_and_the_answer(searched):
    folder, _ = searched
    for run in ("tmp.macro_monitor", "retrained"):
        page = (folder / run / "report.html").read_text()
        assert "bars, red fox, sky &amp; sea" in page and "13x17 pixels, 3 channels" in page
    picture(999, 1).save(folder / "new.webp")
    assert script("deploy", "predict retrained/model.nnp new.webp", folder).startswith("new.webp: red fox ")
    facts = json.loads((folder / "retrained" / "network.json").read_text())
    assert (facts["image_shape"], tuple(facts["classes"])) == ([3, 13, 17], CLASSES)


def test_sizes_are_those_that_the_run_wrote_down(searched, tmp_path):
    folder, _ = searched
    printed = script("inspect_arch", f"describe {folder}/tmp.macro_monitor/arch.npy -c cpu", tmp_path)
    assert "(12 filters, folder, 13x17 pixels)" in printed
    costs = json.loads((folder / "retrained" / "evaluation.json").read_text())
    asked = "-c cpu --additional-filters-on-retrain 4 --output-filter 4"
    again = script("inspect_arch", f"describe {folder}/retrained/arch.npy {asked}", tmp_path)
    assert f"{costs['parameters']:,} parameters, {costs['multiply_adds']:,} multiply-adds" in again


@pytest.mark.slow
def test_two_runs_are_equal_to_the_byte(searched):
    folder, _ = searched
    data = "--dataset folder --data-dir pictures --image-size 13x17 --epoch-per-search 3"
    script("macro_search", f"{SEARCH} {data} --monitor-path again --recommended-arch again.npy", folder)
    for name in ("arch.npy", "architectures.csv", "split.csv", "controller_params.h5", "Training-loss.series.txt"):
        assert (folder / "again" / name).read_bytes() == (folder / "tmp.macro_monitor" / name).read_bytes(), name


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(1, 28, 28), (1, 224, 224), (3, 33, 8), (3, 9, 65)])
@pytest.mark.parametrize("classes", [1, 1000])
@pytest.mark.parametrize("space", ["macro", "micro"])
def test_the_smallest_and_the_largest(tmp_path, space, shape, classes):
    count = 2 * classes if classes > 1 else 12
    rng = np.random.default_rng(0)
    if shape[1] == 224 and classes > 1:
        count = 1010
    images = rng.integers(0, 256, (count, *shape), np.uint8)
    labels = np.arange(count) % classes
    np.savez(tmp_path / "own.npz", x_train=images, y_train=labels, x_test=images[:6], y_test=labels[:6])
    data = "--dataset npz --data-dir own.npz --train-size 16 --validation-size 6"
    sizes = {"macro": "--num-layers 3", "micro": "--num-cells 3 --num-nodes 3"}[space]
    options = SEARCH.replace("--num-layers 3", sizes)
    script(f"{space}_search", f"{options} {data} --monitor-path searched --recommended-arch {space}_arch.npy", tmp_path)
    retrain = f"{RETRAIN} --dataset npz --data-dir own.npz --train-size 16 -r 1 --monitor-path retrained"
    more = "--num-cells 3" if space == "micro" else ""
    script(f"{space}_retrain", f"{retrain} {more} --recommended-arch {space}_arch.npy", tmp_path)
    data = config(tmp_path, "retrained")["data"]
    assert (len(data["classes"]), data["image_shape"]) == (classes, list(shape))
    Image.fromarray(images[0].transpose(1, 2, 0).squeeze()).save(tmp_path / "a.png")
    answer = script("deploy", f"predict retrained/model.nnp a.png --top {min(classes, 3)}", tmp_path)
    assert answer.count(" %") == min(classes, 3)
    if classes == 1:
        assert answer == "a.png: 0 100.00 %\n"


@pytest.mark.parametrize(
    "text", ["the red cat sat\non the red mat\n", "a b <unk>\n"], ids=["without-unknown-words", "with-unknown-words"]
)
def test_a_text_of_ones_own(tmp_path, text):
    for name, lines in (("one", 60), ("two", 20), ("three", 20)):
        rare = "zebra\n" if name == "three" else "once\n"
        (tmp_path / f"{name}.txt").write_text(text * lines + rare)
    options = (
        "-c cpu --preset quick --dataset text --data-dir one.txt,two.txt,three.txt -b 4 -i 1 -e 1 -C 2 --controller-steps 1 "
        "--num-derive 2 --hidden-size 8 --monitor-path tmp.recurrent_monitor"
    )
    printed = script("ptb_search", options, tmp_path)
    assert ("words that come once there are read as it" in printed) == ("<unk>" not in text)
    assert f"--data-dir={tmp_path}/one.txt,{tmp_path}/two.txt,{tmp_path}/three.txt" in printed
    data = config(tmp_path, "tmp.recurrent_monitor")["data"]
    assert data["dataset"] == "text" and data["words"]["training"] > data["words"]["test"]
    printed = script("inspect_arch", "describe tmp.recurrent_monitor/arch.npy -c cpu --hidden-size 8", tmp_path)
    assert f"hidden size 8, {data['vocabulary']} words" in printed


def retrain_again(folder, place, options, expected=0):
    command = [sys.executable, str(ROOT / "macro_retrain.py"), *RETRAIN.split(), "-r", "1", "-m", str(place), *options]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == expected, done.stderr
    return done


def test_a_retraining_takes_the_data_of_the_search(searched, tmp_path):
    folder, _ = searched
    run = folder / "tmp.macro_monitor"
    printed = retrain_again(tmp_path, "whole", ["--recommended-arch", str(run / "arch.npy")]).stdout
    assert f"data as in the search in {run}: --dataset folder --data-dir {folder}/pictures --image-size 13x17" in printed
    found, wanted = config(tmp_path, "whole")["data"], config(folder, "retrained")["data"]
    assert found == wanted and config(tmp_path, "whole")["options"]["image_size"] == "13x17"
    data = ["--dataset", "folder", "--data-dir", "pictures"]
    printed = retrain_again(folder, tmp_path / "part", ["--recommended-arch", str(run / "arch.npy"), *data]).stdout
    assert "--image-size 13x17" in printed and "--data-dir" not in printed.partition("--image-size")[0]


def test_a_retraining_on_other_data_says_so(searched, tmp_path):
    folder, _ = searched
    options = ["--recommended-arch", str(folder / "tmp.macro_monitor" / "arch.npy"), "--dataset", "digits", "--train-size", "40"]
    assert f"other data than those of the search in {folder}" in retrain_again(tmp_path, "digits", options).stdout


def test_data_that_have_changed_since_the_search_are_refused(searched, tmp_path):
    folder, _ = searched
    shutil.copytree(folder / "tmp.macro_monitor", tmp_path / "run")
    document = config(tmp_path, "run")
    document["data"]["classes"][0] = "stripes"
    (tmp_path / "run" / "config.json").write_text(json.dumps(document))
    done = retrain_again(tmp_path, "again", ["--recommended-arch", "run/arch.npy"], expected=2)
    assert "the data have changed since the search in" in done.stderr and done.stderr.count("\n") == 1
    assert not (tmp_path / "again").exists()
