"""What a benchmark ran on."""

import os
import platform

import nnabla as nn
from nnabla.ext_utils import import_extension_module


def describe_machine():
    """Dict: processor, cores, Python, NNabla and NumPy's context of the run."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "context": nn.get_current_context().backend[0],
        "python": platform.python_version(),
        "nnabla": nn.__version__,
    }


def synchronize():
    """Wait until the device of NNabla's default context has done everything."""
    context = nn.get_current_context()
    import_extension_module(context.backend[0].split(":")[0]).synchronize(device_id=context.device_id)


def _processor():
    try:
        with open("/proc/cpuinfo") as file:
            return next(line.split(":", 1)[1].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()
