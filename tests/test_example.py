"""The commands of docs/example.md, in their order: their own words, and after them options that make them small."""

import pathlib
import re
import shlex
import subprocess
import sys

import numpy as np
import pytest

from tests.deployment import numpy_torch

ROOT = pathlib.Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "example.md").read_text()
SEARCH_AND_RETRAIN = "-c cpu --cpu-threads 1 -b 16 --output-filter 4"
SMALL = {
    "docs/example/shapes.py": "--per-class 20",
    "macro_search.py": f"{SEARCH_AND_RETRAIN} --num-layers 3 -i 1 -e 1 -C 2 --controller-steps 1 --num-derive 2",
    "macro_retrain.py": f"{SEARCH_AND_RETRAIN} -f 0 -r 1",
}


@pytest.fixture(scope="module")
def printed(tmp_path_factory):
    """(folder in which all commands ran, dict of script or job -> what it printed)."""
    folder = tmp_path_factory.mktemp("example")
    outputs = {}
    for command in re.findall(r"^    python (.*)$", PAGE, re.MULTILINE):
        script, *words = shlex.split(command)
        words += SMALL.get(script, "").split()
        done = subprocess.run([sys.executable, ROOT / script, *words], cwd=folder, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, f"{command}\n{done.stderr}"
        outputs[f"{script} {words[0]}" if script == "deploy.py" else script] = done.stdout
    return folder, outputs


def test_every_command_runs_and_leaves_what_the_page_says(printed):
    folder, outputs = printed
    assert len(outputs) == 6
    for name in ("search/report.html", "shapes.npy", "shapes.svg", "trained/report.html", "trained/model.nnp"):
        assert (folder / name).exists(), name
    assert f"{40 + 8} training and 12 test images of 32x32 pixels, 3 channels, 3 classes" in outputs["macro_retrain.py"]
    lines = outputs["deploy.py predict"].splitlines()
    assert [re.fullmatch(r"new/(\w+).png: (circle|square|triangle) \d+\.\d\d %", line)[1] for line in lines] == [
        "circle", "square", "triangle",
    ]  # fmt: skip


def test_the_lines_of_pytorch_answer_as_predict_does(printed, monkeypatch, capsys):
    folder, outputs = printed
    (lines,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    for name, module in numpy_torch.modules().items():
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.chdir(folder)
    exec(compile(lines, "docs/example.md", "exec"), {})
    assert capsys.readouterr().out == re.sub(r" \d+\.\d\d %", "", outputs["deploy.py predict"])


def test_the_shapes_differ_in_size_and_are_the_same_for_one_seed(printed, tmp_path):
    from PIL import Image

    folder, _ = printed
    command = [sys.executable, ROOT / "docs/example/shapes.py", "again", "--per-class", "20"]
    subprocess.run(command, cwd=tmp_path, check=True)
    for name in ("circle/000.png", "triangle/019.png"):
        assert (tmp_path / "again" / name).read_bytes() == (folder / "shapes" / name).read_bytes()
    sizes = {Image.open(path).size for path in (folder / "shapes" / "square").glob("*.png")}
    assert len(sizes) > 5 and np.min(list(sizes)) >= 40
