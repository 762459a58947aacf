"""The script that looks at architectures and runs, as a user starts it."""

import json
import pathlib
import re
import subprocess
import sys
import xml.etree.ElementTree

import pytest
from PIL import Image

import args
import inspect_arch
from errors import UserError
from runs.commands import again_command
from search_spaces import macro, micro, recurrent
from search_spaces.files import load_architecture, save_architecture
from tests.reporting.fake_runs import search

SCRIPT = pathlib.Path(__file__).parents[1] / "inspect_arch.py"
SMALL_MACRO = macro.MacroArchitecture(("conv3x3", "sepconv5x5", "max_pool3x3"), ((), (1,), (0, 0)))


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Run the script in an empty folder; returns what it printed."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["inspect_arch.py", *map(str, arguments)])
        inspect_arch.main()
        return capsys.readouterr().out

    return run


def test_draw_writes_beside_the_architecture_or_where_it_is_told(run):
    save_architecture("a.npy", SMALL_MACRO)
    assert run("draw", "a.npy") == "a.svg\n"
    assert xml.etree.ElementTree.parse("a.svg").getroot().tag.endswith("svg")
    run("draw", "a.npy", "-o", "b.png")
    with Image.open("b.png") as image:
        assert image.format == "PNG"


def test_a_space_can_be_named_for_numbers_that_could_be_of_two(run):
    """Twenty numbers: a macro row has L (L + 1) / 2, an arc an even number."""
    save_architecture("arc.npy", recurrent.RecurrentArchitecture(((0, "tanh"),) * 3))
    assert "recurrent cell" in run("describe", "arc.npy", "--space", "recurrent", "--preset", "quick", "-c", "cpu")
    assert "macro network" in run("describe", "arc.npy", "--preset", "quick", "-c", "cpu")


def test_describe_tells_words_text_and_cost(run):
    save_architecture("a.json", SMALL_MACRO)
    printed = run("describe", "a.json", "--preset=quick", "--output-filter=2", "--additional-filters-on-retrain=2", "-c=cpu")
    assert SMALL_MACRO.describe() in printed and f"as text: {SMALL_MACRO.to_text()}" in printed
    # By hand, as tests/reporting/test_complexity.py does: stem, layer 0, reductions, layer 1, reduction, layer 2, classifier.
    parameters = 44 + 176 + 2 * 48 + 360 + 144 + 160 + 2 * 288 + 160
    products = (36 + 160) * 16**2 + (2 * 32 + 328 + 128) * 8**2 + (128 + 2 * 256) * 4**2 + 160
    assert f"final network (4 filters, digits, 16x16 pixels): {parameters:,} parameters, {products:,} multiply-adds" in printed
    assert re.search(r"multiply-adds per image, [\d.e+]+ ms for one image alone \(cpu\)", printed)


def test_describe_names_another_final_network(run):
    save_architecture("a.json", SMALL_MACRO)
    printed = run("describe", "a.json", "--preset=quick", "--final-network=shared", "-c=cpu")
    assert "16x16 pixels, final network: shared)" in printed


def test_describe_takes_the_sizes_of_the_preset(run):
    save_architecture("a.txt", micro.PUBLISHED["enas"])
    printed = run("describe", "a.txt", "--output-filter", "4", "--num-cells", "3", "-c", "cpu")
    assert "final network (20 filters, cifar10, 32x32 pixels)" in printed


def test_describe_says_that_the_sizes_of_a_file_of_no_run_are_assumed(run):
    save_architecture("arch.npy", SMALL_MACRO)
    printed = run("describe", "arch.npy", "--preset", "quick", "-c", "cpu", "--output-filter", "4")
    assert "sizes: assumed, those of --preset quick" in printed and "as asked: --context, --output-filter" in printed
    assert "sizes: assumed, those of --preset enas" in run("describe", "enas-rnn", "--hidden-size", "8", "-c", "cpu")


def own_copy(folder, job, *words):
    """The own copy of the architecture of a run in a folder, which says with which options it was started."""
    config = args.parse("macro", job, [*words, "--monitor-path", str(folder)])
    folder.mkdir()
    document = {
        "job": f"macro_{job}", "options": config.options(), "finished": None, "command": again_command(config), "started": "",
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(document))
    save_architecture(folder / "arch.npy", SMALL_MACRO)
    return str(folder / "arch.npy")


def test_describe_takes_the_sizes_of_the_search_that_found_the_architecture(run, tmp_path):
    path = own_copy(tmp_path / "my run", "search", "--preset", "quick", "--output-filter", "6", "--num-layers", "3")
    printed = run("describe", path, "-c", "cpu")
    assert f"sizes: as the run in {tmp_path / 'my run'} retrains it; as asked: --context" in printed
    assert "final network (14 filters, digits, 16x16 pixels)" in printed
    assert "final network (10 filters, digits, 16x16 pixels)" in run("describe", path, "-c", "cpu", "--output-filter", "2")


def test_describe_takes_the_sizes_of_the_retraining_in_whose_folder_the_architecture_lies(run, tmp_path):
    path = own_copy(tmp_path / "retrain", "retrain", "--preset=quick", "--final-network=shared")
    assert "16x16 pixels, final network: shared)" in run("describe", path, "-c", "cpu")


def own_copy_with_images(folder, *words):
    """The same of a search whose images, 32x32 pixels of two classes, it wrote down; 16x16 are in the folder `other`."""
    path = own_copy(folder, "search", "--preset", "quick", "--dataset", "folder", "--data-dir", str(folder / "images"), *words)
    config = json.loads((folder / "config.json").read_text())
    config["data"] = {"dataset": "folder", "image_shape": [3, 32, 32], "classes": ["a", "b"]}
    (folder / "config.json").write_text(json.dumps(config))
    for place, size, classes in (("images", 32, "ab"), ("other", 16, "abc")):
        for name in classes:
            (folder / place / name).mkdir(parents=True)
            for number in range(12):
                Image.new("RGB", (size, size), (20 * number, ord(name), 0)).save(folder / place / name / f"{number}.png")
    return path


@pytest.mark.parametrize(
    "asked, shown",
    [
        ([], "folder, 32x32 pixels"),
        (["--image-size", "64"], "folder, 64x64 pixels"),
        (["--data-dir", "run/other"], "folder, 16x16 pixels"),
    ],
)
def test_describe_takes_the_sizes_that_are_asked_for(run, tmp_path, capsys, asked, shown):
    path = own_copy_with_images(tmp_path / "run")
    command = ["describe", path, "-c", "cpu", *asked]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["inspect_arch.py", *command])
        inspect_arch.main()
    captured = capsys.readouterr()
    assert shown in captured.out and "without effect" not in captured.err


def test_describe_counts_the_coarse_classes_that_are_asked_for(run, tmp_path):
    path = own_copy(tmp_path / "run", "search", "--preset", "quick", "--dataset", "cifar100")
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    config["data"] = {"dataset": "cifar100", "image_shape": [3, 32, 32], "classes": [str(number) for number in range(100)]}
    (tmp_path / "run" / "config.json").write_text(json.dumps(config))
    fine, coarse = (run("describe", path, "-c", "cpu", *more) for more in ([], ["--coarse", "True"]))
    counts = [int(re.search(r"([\d,]+) parameters", text)[1].replace(",", "")) for text in (fine, coarse)]
    assert counts[0] - counts[1] == 80 * 64  # weights of the classifier for the classes that are no more


def test_describe_says_of_the_run_s_own_data_what_is_without_effect(run, tmp_path, capsys):
    path = own_copy(tmp_path / "run", "search", "--preset", "quick", "--dataset", "cifar10")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["inspect_arch.py", "describe", path, "-c", "cpu", "--image-size", "64"])
        inspect_arch.main()
    assert "without effect here: --image-size (with --dataset cifar10)" in capsys.readouterr().err


def test_describe_assumes_sizes_where_the_run_had_options_that_are_no_more(run, tmp_path):
    path = own_copy(tmp_path / "run", "search", "--preset=quick")
    config = tmp_path / "run" / "config.json"
    config.write_text(config.read_text().replace("--preset=quick", "--preset=quick --colour=red"))
    assert "sizes: assumed, those of --preset enas" in run("describe", path, "-c", "cpu", "--output-filter", "2")


def test_draw_of_a_published_or_a_typed_architecture(run):
    assert run("draw", "enas-rnn") == "enas-rnn.svg\n"
    assert run("draw", SMALL_MACRO.to_text()) == "architecture.svg\n"


@pytest.mark.parametrize("suffix", [".npy", ".txt", ".json", ".genotype", ".other"])
def test_convert_writes_every_form(run, suffix):
    assert run("convert", "enas-micro", "-o", f"a{suffix}") == f"a{suffix}\n"
    assert load_architecture(f"a{suffix}") == load_architecture("enas-micro") == micro.PUBLISHED["enas"]


def test_convert_of_a_foreign_cell_says_where_it_differs(run, capsys):
    cell = "[('sep_conv_3x3', 0), ('sep_conv_3x3', 1), ('skip_connect', 2), ('skip_connect', 2)]"
    genotype = f"Genotype(normal={cell}, normal_concat=range(2, 4), reduce={cell}, reduce_concat=[3])"
    pathlib.Path("theirs.txt").write_text(genotype)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["inspect_arch.py", "convert", "theirs.txt", "-o", "a.txt"])
        inspect_arch.main()
    captured = capsys.readouterr()
    assert captured.out == "a.txt\n" and captured.err.count("\n") == 1
    assert "normal cell concatenates the states 2, 3" in captured.err
    assert pathlib.Path("a.txt").read_text() == "0 0 1 0 2 4 2 4 0 0 1 0 2 4 2 4\n"


def test_compare_writes_a_page(run, tmp_path):
    for seed in range(2):
        search(tmp_path / f"run{seed}", seed=seed)
    assert run("compare", "run0", "run1") == "comparison.html\n"
    assert "comparison of 2 runs" in (tmp_path / "comparison.html").read_text()
    run("compare", "run0", "-o", "one.html")
    assert (tmp_path / "one.html").exists()


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["draw", "missing.npy"], "cannot read it"),
        (["convert", "a.npy"], "required: -o"),
        (["convert", "a.npy", "-o", "b.genotype"], "a macro architecture found; a genotype is of"),
        (["convert", "a.npy", "-o", "nowhere/b.txt"], "no folder nowhere"),
        (["convert", "a.npy", "-o", "nowhere/b.genotype"], "a macro architecture found"),
        (["convert", "enas-rnn", "-o", "nowhere/b.genotype"], "cannot write"),
        (["draw", "a.npy", "-o", "a.pdf"], "svg"),
        (["draw", "a.npy", "-o", "nowhere/a.svg"], "cannot write"),
        (["draw", "a.npy", "--layers", "3"], "unknown option --layers"),
        (["draw", "a.npy", "--space", "cubic"], "is not one of"),
        (["describe", "a.npy", "--output-filter", "3"], "even"),
        (["describe", "a.npy", "--space", "micro"], "micro|dimensions|shape"),
        (["compare", "nothing"], "no run in"),
        (["paint", "a.npy"], "is not one of"),
        (["drwa", "a.npy"], r"did you mean draw\?"),
        (["describe", "a.npy", "--out-filter", "4"], r"did you mean --output-filter\?"),
        ([], "required"),
    ],
)
def test_bad_input_is_one_line(run, tmp_path, arguments, message):
    save_architecture("a.npy", SMALL_MACRO)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(UserError, match=message):
        run(*arguments)
    assert sorted(tmp_path.iterdir()) == before


def test_the_script_ends_with_status_2_and_no_traceback(tmp_path):
    command = [sys.executable, SCRIPT, "draw", "missing.npy"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("inspect_arch.py: error: ") and done.stderr.count("\n") == 1
