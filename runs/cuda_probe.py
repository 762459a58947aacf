"""Does the GPU compute? Found out by a process of its own, for a library that is missing or does not fit can end the process.

`failure` starts that process, which runs `main`: it asks the driver, then lets NNabla do one training step of a convolution, a
ReLU and an affine function, whose numbers are known, and writes what it finds as lines of JSON.
"""

import json
import os
import pathlib
import re
import signal
import subprocess
import sys
from dataclasses import dataclass

from errors import reason_of
from runs import cuda_driver
from runs.cuda_libraries import PACKAGE, load, missing_library

HOME = str(pathlib.Path(__file__).resolve().parents[1])
START = f"import sys; sys.path[0] = {HOME!r}; from runs.cuda_probe import main; main(*sys.argv[1:])"
PATIENCE = 900.0  # seconds; a driver that has to compile the extension's code for a newer GPU takes minutes
COVERED = ((5, 3), (9, 0))  # compute capabilities that the extension's library has code for
_DOES_NOT_LOAD = re.compile(r"Could not load library (\S+?)\.? ")  # cuDNN's last words


@dataclass(frozen=True)
class Finding:
    """What the probe found: `reason` why the device does not compute, or None; `remark` on one that does, or None."""

    reason: str | None
    remark: str | None = None


def probe(device_id, type_config, patience=PATIENCE):
    """The `Finding` on a GPU, by its number, in a precision."""
    command = [sys.executable, "-c", START, device_id, type_config]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=patience)
    except subprocess.TimeoutExpired:
        return Finding(f"GPU {device_id} gave no answer in {patience:g} s")
    said = {}
    for line in done.stdout.splitlines():
        if line.startswith('{"probe"'):
            said |= json.loads(line)["probe"]
    driver = said.get("driver") and cuda_driver.Answer(said["driver"]["problem"], tuple(map(tuple, said["driver"]["gpus"])))
    if "computed" in said and said["computed"] is None:
        return Finding(None, _newer(driver, device_id))
    return Finding(_explain(driver, device_id, said.get("computed") or _last_words(done)))


def _explain(driver, device_id, error):
    """What keeps the device from computing: the driver, then a library, then the device."""
    if driver and driver.problem:
        return driver.problem
    missing = missing_library(error)
    if missing or driver is None:
        return missing or error
    if not (device_id.isdecimal() and int(device_id) < len(driver.gpus)):
        return f"there is no GPU {device_id}: {_shown(len(driver.gpus))}"
    name, *capability = driver.gpus[int(device_id)]
    if not COVERED[0] <= tuple(capability) <= COVERED[1]:
        return f"{_described(name, capability)}: {error}"
    return f"{name}: {error}"


def _newer(driver, device_id):
    """What to say of a GPU that computes although the extension has no code for it."""
    if driver is None or not device_id.isdecimal() or int(device_id) >= len(driver.gpus):
        return None
    name, *capability = driver.gpus[int(device_id)]
    if tuple(capability) <= COVERED[1]:
        return None
    return f"{_described(name, capability)}; the driver compiles it, which takes minutes at the first start"


def _described(name, capability):
    (low, high), found = (".".join(map(str, each)) for each in COVERED), ".".join(map(str, capability))
    return f"{name} has compute capability {found}, {PACKAGE} code for {low} to {high}"


def _shown(count):
    numbers = f"{count} GPU{'s' if count > 1 else ''}, number{'s 0 to' if count > 1 else ''} {count - 1}"
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    return f"the driver shows {numbers}" + (f" (CUDA_VISIBLE_DEVICES is {visible!r})" if visible is not None else "")


def _last_words(done):
    """What a process says that ended without an answer."""
    match = _DOES_NOT_LOAD.search(done.stderr)
    if match:
        return f"{match[1]}: cannot open shared object"
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    end = f"signal {signal.Signals(-done.returncode).name}" if done.returncode < 0 else f"status {done.returncode}"
    return f"the first computation ended with {end}" + (f" ({lines[-1].strip()})" if lines else "")


# ---- in the process of its own -----------------------------------------------------------------------------------------


def main(device_id, type_config):
    """Write what the driver says, then what came of the computation: None, or why not."""
    answer = cuda_driver.ask()
    _tell(driver={"problem": answer.problem, "gpus": answer.gpus})
    try:
        load()
        _tell(computed=compute(device_id, type_config))
    except Exception as error:  # whatever the driver and the libraries say
        _tell(computed=reason_of(error))


def _tell(**found):
    print(json.dumps({"probe": found}), flush=True)


def compute(device_id, type_config):
    """One training step on the device; returns None, or in words what is wrong with its numbers."""
    import nnabla as nn
    import nnabla.functions as F
    from nnabla.ext_utils import get_extension_context

    with nn.context_scope(get_extension_context("cudnn", device_id=device_id, type_config=type_config)):
        inputs = [nn.Variable(shape, need_grad=True) for shape in ((2, 3, 4, 4), (4, 3, 3, 3), (16, 2))]
        for variable in inputs:
            variable.data.fill(1)
            variable.grad.zero()
        loss = F.sum(F.affine(F.relu(F.convolution(*inputs[:2])), inputs[2]))
        loss.forward()
        loss.backward()
        found = [float(loss.d), *(float(variable.g.max()) for variable in inputs)]
    wanted = [1728.0, 32.0, 16.0, 54.0]
    return None if found == wanted else f"it computes {found} instead of {wanted}"
