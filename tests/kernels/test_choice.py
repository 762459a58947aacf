"""The choice of kernels, and what holds for a whole process."""

import ctypes
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import nnabla as nn
import pytest

import kernels
from errors import UserError
from tests.kernels.comparison import onednn

ROOT = Path(__file__).parent.parent.parent

# A small network with every operation, trained for two steps on the number of threads given; prints a hash of all values.
TRAINING = """
import hashlib, sys
import nnabla as nn, nnabla.functions as F, numpy as np
import kernels
k = kernels.choose("onednn", int(sys.argv[1]))
rng = np.random.default_rng(0)
def parameter(*shape):
    return nn.Variable.from_numpy_array(rng.standard_normal(shape, np.float32) / 4).apply(need_grad=True)
weights = [parameter(*s) for s in ((36, 3, 3, 3), (36, 1, 5, 5), (36, 36, 1, 1), (18, 36, 1, 1), (18, 36, 1, 1))]
beta, gamma = parameter(1, 36, 1, 1), parameter(1, 36, 1, 1)
x = nn.Variable.from_numpy_array(rng.standard_normal((24, 3, 32, 32), np.float32))
def normalize(y):
    return k.batch_normalization(y, beta, gamma, None, None, relu=True)
y = normalize(k.convolution(k.from_nchw(x), weights[0], pad=(1, 1)))
y = k.add(y, k.convolution(k.convolution(y, weights[1], pad=(2, 2), group=36), weights[2]))
y = k.factorized_reduction(normalize(y), weights[3], weights[4])
y = k.concatenate(k.max_pooling(y, (3, 3), (1, 1), (1, 1)), k.average_pooling(y, (3, 3), (1, 1), (1, 1)))
loss = F.mean(k.global_average_pooling(y) ** 2)
digest = hashlib.sha256()
for _ in range(2):
    loss.forward(clear_no_need_grad=True)
    for v in (*weights, beta, gamma):
        v.g = 0
    loss.backward(clear_buffer=True)
    for v in (*weights, beta, gamma):
        digest.update(v.g.tobytes())
        v.d -= 0.1 * v.g
print(digest.hexdigest())
"""

# Two-threaded work, then a child that computes as well.
FORKING = """
import os, sys
exec(open(sys.argv[2]).read())
child = os.fork()
if not child:
    z = k.relu(normalize(k.convolution(k.from_nchw(x), weights[0], pad=(1, 1))))
    z.forward()
    os._exit(0 if z.d.max() > 0 else 1)
print(os.waitpid(child, 0)[1])
"""


def python(code, *arguments):
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100, check=True).stdout


@pytest.fixture
def forget_binding(monkeypatch):
    """The library has to be loaded again."""
    monkeypatch.delitem(sys.modules, "kernels.onednn_binding", raising=False)
    monkeypatch.delattr(kernels, "onednn_binding", raising=False)


def falls_back(lines, **options):
    result = kernels.choose("onednn", log=lines.append, **options)
    return result.name == "nnabla" and result.layout == "NCHW" and len(lines) == 1 and "\n" not in lines[0]


def test_onednn_with_its_layout_and_description():
    result = onednn(None)
    assert (result.name, result.layout, result.channel_axis, result.threads) == ("onednn", "NHWC", 3, 1)
    assert result.description.startswith("oneDNN 3.2.0, ") and result.description.endswith(", 1 thread, NHWC")


def test_nnabla_is_there_without_onednn(forget_binding):
    result = kernels.choose("nnabla", log=None)
    assert (result.name, result.layout, result.channel_axis, result.threads) == ("nnabla", "NCHW", 1, 1)
    assert "kernels.onednn_binding" not in sys.modules


def test_missing_package_falls_back(monkeypatch, forget_binding):
    def missing(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "files", missing)
    lines = []
    assert falls_back(lines)
    assert "onednn-cpu-gomp missing" in lines[0]


def test_missing_libgomp_falls_back(monkeypatch, forget_binding):
    def missing(name, **options):
        raise OSError(f"{name}: cannot open shared object file")

    monkeypatch.setattr(ctypes, "CDLL", missing)
    lines = []
    assert falls_back(lines)
    assert "libgomp.so.1" in lines[0]


@pytest.mark.parametrize("backend", ["cudnn:float", "cpu:half"])
def test_another_context_falls_back(backend):
    lines = []
    assert falls_back(lines, context=nn.Context([backend, "cpu:float"], "CpuCachedArray", "0"))
    assert backend in lines[0]


@pytest.mark.parametrize("options", [{"name": "mkl"}, {"layout": "CHWN"}, {"threads": 0}])
def test_wrong_options(options):
    with pytest.raises(UserError):
        kernels.choose(**options)


def test_one_thread_under_mpirun(monkeypatch):
    onednn()
    monkeypatch.setenv("OMPI_COMM_WORLD_SIZE", "2")
    assert kernels.choose().threads == 1
    assert kernels.choose(threads=2).threads == 2


def test_all_cores_of_a_single_process(monkeypatch):
    onednn()
    for variable in kernels.MPI_SIZES:
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr("os.sched_getaffinity", lambda process: {0, 1, 2})
    assert kernels.choose().threads == 3
    kernels.choose(threads=1)


@pytest.mark.parametrize("value, threads", [("2", 2), ("3,1", 3), ("many", 5), ("0", 5)])
def test_the_number_of_threads_in_the_environment_counts(monkeypatch, value, threads):
    onednn()
    for variable in kernels.MPI_SIZES:
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", value)
    monkeypatch.setattr("os.sched_getaffinity", lambda process: set(range(5)))
    assert kernels.choose().threads == threads
    assert kernels.threads_are_free() == (threads == 5)
    kernels.choose(threads=1)


def test_what_is_built_keeps_its_number_of_threads():
    """An operation compiled for one thread would write past its scratchpad on two."""
    k = onednn()
    from kernels import onednn_binding

    def threads():
        return onednn_binding._gomp.omp_get_max_threads()

    one, seen = onednn_binding.relu("forward", 64), []
    k.use_threads(2)
    two, x = onednn_binding.relu("forward", 64), onednn_binding.aligned(64)
    for operation in (one, two, one):
        operation.run(x.ctypes.data, x.ctypes.data)
        seen.append(threads())
    k.use_threads(1)
    assert seen == [1, 2, 1] and onednn_binding.relu("forward", 64) is one


@pytest.mark.parametrize("threads", [1, 2])
def test_two_runs_give_the_same_bytes(threads):
    onednn()
    assert python(TRAINING, threads) == python(TRAINING, threads)


def test_a_forked_child_works(tmp_path):
    onednn()
    script = tmp_path / "training.py"
    script.write_text(TRAINING)
    assert python(FORKING, 2, script).splitlines()[-1] == "0"
