"""What NVIDIA's driver says of itself and of the GPUs it shows, asked without CUDA's other libraries.

To ask it starts CUDA in this process: only the probe, which is a process of its own, does that.
"""

import ctypes
import os
from dataclasses import dataclass

LIBRARY = "libcuda.so.1"
NEEDED = 12000  # CUDA 12.0, as the driver numbers it
NAME_LENGTH = 256
MAJOR, MINOR = 75, 76  # attributes of a device: its compute capability


@dataclass(frozen=True)
class Answer:
    """`problem`: why there is no GPU, in words, or None. `gpus`: (name, major and minor compute capability) by number."""

    problem: str | None
    gpus: tuple = ()


def ask(load=ctypes.CDLL):
    """The `Answer` of the driver's library; `load(name)` opens it."""
    try:
        driver = load(LIBRARY)
    except OSError:
        return Answer(f"NVIDIA's driver is not installed: there is no {LIBRARY}")
    code = driver.cuInit(0)
    if code:
        return Answer(f"NVIDIA's driver says {_error(driver, code)}{_hidden()}")
    version = _number(driver.cuDriverGetVersion)
    if version < NEEDED:
        return Answer(f"NVIDIA's driver is for CUDA {_version(version)}, CUDA {_version(NEEDED)} is needed: update the driver")
    gpus = tuple(_gpu(driver, number) for number in range(_number(driver.cuDeviceGetCount)))
    return Answer(None if gpus else f"NVIDIA's driver shows no GPU{_hidden()}", gpus)


def _number(function, *arguments):
    found = ctypes.c_int()
    function(ctypes.byref(found), *arguments)
    return found.value


def _gpu(driver, number):
    device = _number(driver.cuDeviceGet, number)
    name = ctypes.create_string_buffer(NAME_LENGTH)
    driver.cuDeviceGetName(name, NAME_LENGTH, device)
    major, minor = (_number(driver.cuDeviceGetAttribute, which, device) for which in (MAJOR, MINOR))
    return name.value.decode(errors="replace"), major, minor


def _error(driver, code):
    texts = []
    for function in (driver.cuGetErrorName, driver.cuGetErrorString):
        text = ctypes.c_char_p()
        function(code, ctypes.byref(text))
        texts.append((text.value or b"unknown").decode(errors="replace"))
    return f"{texts[0]} ({texts[1]})"


def _version(number):
    return f"{number // 1000}.{number % 1000 // 10}"


def _hidden():
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    return "" if visible is None else f", while CUDA_VISIBLE_DEVICES is {visible!r}"
