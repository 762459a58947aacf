"""What a user is told of a GPU that does not compute, with stand-ins for NVIDIA's driver and for NNabla's extension."""

import ctypes
import os
import pathlib
import re
import subprocess
import sys

import pytest

from runs import cuda_driver, cuda_libraries, cuda_probe
from runs.cuda_driver import Answer
from tests.cuda import pretended_driver

ROOT = pathlib.Path(__file__).parents[2]
EXTENSION = ROOT / "tests/cuda/extension"
SMALL = "--preset quick --train-size 16 -b 8 -i 1 -e 1 --controller-steps 1 -C 1 --num-derive 1 --num-layers 3 --output-filter 4"


def three_lines(message):
    """As NNabla says it."""
    return f"target_specific error in forward_impl\n/builds/convolution.cu:130\n{message}\n"


FAILURES = {
    "three lines": (three_lines('(cudaGetDevice(&d)) failed with "no".'), 'Pretend GPU: (cudaGetDevice(&d)) failed with "no"'),
    "no memory": (three_lines("CUDNN_STATUS_ALLOC_FAILED"), "Pretend GPU: CUDNN_STATUS_ALLOC_FAILED"),
    "no part of cuDNN": ("abort", "the library libcudnn_cnn_infer.so.8 is missing: pip install '.[cuda]' brings it"),
}


def run(folder, options="", **variables):
    """A small macro search in `folder`, beside the stand-ins."""
    command = [sys.executable, "-c", pretended_driver.START, str(ROOT / "macro_search.py"), *SMALL.split(), *options.split()]
    environment = os.environ | {"PYTHONPATH": f"{EXTENSION}:{ROOT}", **variables}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=100)


@pytest.mark.parametrize("failure", FAILURES)
def test_cudnn_that_does_not_work_is_one_line_and_touches_nothing(tmp_path, failure):
    text, reason = FAILURES[failure]
    (tmp_path / "tmp.macro_monitor").mkdir()
    (tmp_path / "tmp.macro_monitor/Training-loss.series.txt").write_text("0 1\n")
    done = run(tmp_path, "--context cudnn", STANDIN_CONVOLUTION=text)
    assert (done.returncode, done.stdout) == (2, "")
    words = f"--context cudnn does not work here: {reason}; fix that or use --context cpu"
    assert done.stderr == f"macro_search.py: error: {words}\n"
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["Training-loss.series.txt", "tmp.macro_monitor"]


def test_without_context_the_run_goes_on_on_the_cpu_and_says_why(tmp_path):
    text, reason = FAILURES["three lines"]
    done = run(tmp_path, STANDIN_CONVOLUTION=text)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("running on the CPU") == 1 and f"running on the CPU because {reason}\n" in done.stdout
    assert "preset quick, cpu (" in done.stdout


def test_what_the_extension_prints_when_it_loads_is_not_seen(tmp_path):
    done = run(tmp_path, "--context cudnn", STANDIN_NOISE="1")
    assert (done.returncode, done.stderr) == (0, "")
    assert "preset quick, cudnn (" in done.stdout
    assert "compatibility" not in done.stdout


def test_what_follows_silence_is_heard(capfd):
    with pytest.raises(ImportError), cuda_libraries.silence():
        os.write(1, b"nothing\n")
        os.write(2, b"nothing\n")
        raise ImportError
    print("something")
    assert capfd.readouterr() == ("something\n", "")


@pytest.fixture
def probe(monkeypatch):
    """`cuda_probe.probe` beside the stand-ins."""
    monkeypatch.setenv("PYTHONPATH", f"{EXTENSION}:{ROOT}")
    monkeypatch.setattr(cuda_probe, "START", cuda_probe.START)  # put back afterwards
    monkeypatch.setattr(cuda_driver, "ask", cuda_driver.ask)
    pretended_driver.install()
    return cuda_probe.probe


@pytest.mark.parametrize("precision", ["float", "half"])
def test_a_gpu_that_computes(probe, precision):
    assert probe("0", precision) == cuda_probe.Finding(None)


def test_a_newer_gpu_that_computes_is_remarked_on(probe):
    found = probe("1", "float")
    assert found.reason is None
    assert found.remark.startswith("Newer GPU has compute capability 10.0, nnabla-ext-cuda120 code for 5.3 to 9.0; the driver ")


def test_a_newer_gpu_that_does_not_compute(probe, monkeypatch):
    monkeypatch.setenv("STANDIN_CONVOLUTION", three_lines("no kernel image is available"))
    words = "Newer GPU has compute capability 10.0, nnabla-ext-cuda120 code for 5.3 to 9.0: no kernel image is available"
    assert probe("1", "float").reason == words


@pytest.mark.parametrize("number", ["2", "-1", "first"])
def test_a_gpu_that_is_not_there(probe, monkeypatch, number):
    monkeypatch.setenv("STANDIN_CONVOLUTION", three_lines("invalid device ordinal"))
    assert probe(number, "float").reason == f"there is no GPU {number}: the driver shows 2 GPUs, numbers 0 to 1"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,5")
    assert probe(number, "float").reason.endswith("(CUDA_VISIBLE_DEVICES is '4,5')")


def test_wrong_numbers_are_a_reason(monkeypatch):
    said = '{"probe": {"driver": null}}\n{"probe": {"computed": "it computes 1 instead of 2"}}\n'
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: subprocess.CompletedProcess([], 0, said, ""))
    assert cuda_probe.probe("0", "float").reason == "it computes 1 instead of 2"


@pytest.mark.parametrize("code, reason", [
    ("import os; os.abort()", "the first computation ended with signal SIGABRT"),
    ("import sys; sys.exit('last words')", "the first computation ended with status 1 (last words)"),
    ("import time; time.sleep(60)", "GPU 0 gave no answer in 1 s"),
])  # fmt: skip
def test_a_probe_without_an_answer(monkeypatch, code, reason):
    monkeypatch.setattr(cuda_probe, "START", code)
    assert cuda_probe.probe("0", "float", patience=1.0).reason == reason


def test_the_driver_comes_before_a_library_and_a_library_before_the_gpu():
    missing, driver = "libcudnn.so.8: cannot open shared object file", Answer("no driver")
    assert cuda_probe._explain(driver, "0", missing) == "no driver"
    for answer in (None, Answer(None, (("Pretend GPU", 12, 0),))):
        assert cuda_probe._explain(answer, "0", missing).startswith("the library libcudnn.so.8 is missing")


class Driver:
    """libcuda.so.1 with so many GPUs of compute capability 9.0."""

    def __init__(self, error=0, version=12020, gpus=1):
        self.error, self.version, self.gpus = error, version, gpus

    def cuInit(self, flags):  # noqa: N802
        return self.error

    def cuDriverGetVersion(self, number):  # noqa: N802
        number._obj.value = self.version

    def cuDeviceGetCount(self, number):  # noqa: N802
        number._obj.value = self.gpus

    def cuDeviceGet(self, device, number):  # noqa: N802
        device._obj.value = number

    def cuDeviceGetName(self, name, length, device):  # noqa: N802
        name.value = f"GPU of number {device}".encode()

    def cuDeviceGetAttribute(self, value, attribute, device):  # noqa: N802
        value._obj.value = {75: 9, 76: 0}[attribute]

    def cuGetErrorName(self, error, text):  # noqa: N802
        text._obj.value = b"CUDA_ERROR_NO_DEVICE"

    def cuGetErrorString(self, error, text):  # noqa: N802
        text._obj.value = b"no CUDA-capable device is detected"


@pytest.mark.parametrize("driver, problem", [
    ({"error": 100}, "NVIDIA's driver says CUDA_ERROR_NO_DEVICE (no CUDA-capable device is detected)"),
    ({"version": 11080}, "NVIDIA's driver is for CUDA 11.8, CUDA 12.0 is needed: update the driver"),
    ({"gpus": 0}, "NVIDIA's driver shows no GPU"),
])  # fmt: skip
def test_a_driver_that_has_no_gpu_to_give(monkeypatch, driver, problem):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert cuda_driver.ask(lambda name: Driver(**driver)) == Answer(problem)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    hidden = "" if "version" in driver else ", while CUDA_VISIBLE_DEVICES is ''"
    assert cuda_driver.ask(lambda name: Driver(**driver)) == Answer(problem + hidden)


def test_a_driver_with_gpus():
    assert cuda_driver.ask(lambda name: Driver(gpus=2)) == Answer(None, (("GPU of number 0", 9, 0), ("GPU of number 1", 9, 0)))


def test_no_driver():
    def load(name):
        raise OSError(f"{name}: cannot open shared object file")

    assert cuda_driver.ask(load) == Answer("NVIDIA's driver is not installed: there is no libcuda.so.1")


def test_libraries_load_in_order_out_of_the_packages_that_are_there(tmp_path, monkeypatch):
    for library in reversed(cuda_libraries.LIBRARIES):
        if "cufft" not in library:
            path = tmp_path / "nvidia" / library
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    loaded = []
    monkeypatch.setattr(ctypes, "CDLL", loaded.append)
    monkeypatch.syspath_prepend(tmp_path)
    names = cuda_libraries.preload()
    assert names == [os.path.basename(path) for path in cuda_libraries.LIBRARIES if "cufft" not in path]
    assert loaded == [str(tmp_path / "nvidia" / path) for path in cuda_libraries.LIBRARIES if "cufft" not in path]
    assert names.index("libnvrtc.so.12") < names.index("libcudnn.so.8")


def test_every_package_of_the_extra_is_preloaded_in_the_version_that_fits():
    extra = (ROOT / "pyproject.toml").read_text().partition("\ncuda = [")[2].partition("\n]")[0]
    pinned = set(re.findall(r'"nvidia-([a-z-]+)-cu12==[\d.]+;', extra))
    assert pinned == {library.partition("/")[0].replace("_", "-") for library in cuda_libraries.LIBRARIES}
