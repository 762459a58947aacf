"""Do NVIDIA's packages and the extension fit together? Run by `make test-cuda-libraries` in an environment that has them.

    python -m tests.cuda.libraries

needs a C compiler for the driver's stand-in (driver.c) and no GPU. Every library must load with all symbols resolved, and each
way in which the driver can refuse must be told in a line that says it.
"""

import ctypes
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).parents[2]
NO_GPU = "NVIDIA's driver says CUDA_ERROR_NO_DEVICE (no CUDA-capable device is detected)"
# (variables of the stand-in, --device-id, words of the reason)
CASES = [
    ({"DRIVER_ERROR": "100"}, "0", NO_GPU),
    ({"DRIVER_ERROR": "100", "CUDA_VISIBLE_DEVICES": ""}, "0", f"{NO_GPU}, while CUDA_VISIBLE_DEVICES is ''"),
    ({"DRIVER_VERSION": "11040"}, "0", "NVIDIA's driver is for CUDA 11.4, CUDA 12.0 is needed"),
    ({"DRIVER_GPUS": "0"}, "0", "NVIDIA's driver shows no GPU"),
    ({"DRIVER_GPUS": "2"}, "2", "there is no GPU 2: the driver shows 2 GPUs, numbers 0 to 1"),
    ({}, "0", "Pretend GPU: (cudaGetDevice(&current_device)) failed with "),
    ({"DRIVER_CAPABILITY": "100"}, "0", "Pretend GPU has compute capability 10.0, nnabla-ext-cuda120 code for 5.3 to 9.0: "),
]
PARTS = ("ops_infer", "ops_train", "cnn_infer", "cnn_train", "adv_infer", "adv_train")  # of cuDNN, which it loads when needed


def load_everything():
    """Each library with all of its symbols; raises OSError or AssertionError that names one."""
    from runs import cuda_libraries

    names = cuda_libraries.load()
    assert names == [os.path.basename(path) for path in cuda_libraries.LIBRARIES], names
    import nnabla_ext.cuda
    import nvidia.cudnn

    (cudnn,) = nvidia.cudnn.__path__
    (extension,) = pathlib.Path(nnabla_ext.cuda.__file__).parent.glob("libnnabla_cuda*.so")
    for path in [extension, *(f"{cudnn}/lib/libcudnn_{part}.so.8" for part in PARTS)]:
        ctypes.CDLL(str(path), mode=os.RTLD_NOW | os.RTLD_GLOBAL)
        print(f"{os.path.basename(path)}: every symbol resolves")
    version = ctypes.CDLL("libcudnn.so.8").cudnnGetVersion()
    assert version // 1000 == 8, version


def check_messages(stand_in):
    """What a user is told, case by case."""
    script = [sys.executable, str(ROOT / "macro_search.py"), "--preset", "quick", "--context", "cudnn", "--device-id"]
    for variables, device, words in CASES:
        environment = os.environ | {"LD_LIBRARY_PATH": stand_in} | variables
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run([*script, device], cwd=folder, env=environment, capture_output=True, text=True, timeout=300)
            assert (done.returncode, done.stdout, os.listdir(folder)) == (2, "", []), (variables, done)
        start = f"macro_search.py: error: --context cudnn does not work here: {words}"
        assert done.stderr.startswith(start) and done.stderr.count("\n") == 1, (variables, done.stderr)
        print(done.stderr, end="")


def main():
    if sys.argv[1:] == ["load"]:
        return load_everything()
    with tempfile.TemporaryDirectory() as stand_in:
        library = os.path.join(stand_in, "libcuda.so.1")
        subprocess.run(["cc", "-shared", "-fPIC", str(ROOT / "tests/cuda/driver.c"), "-o", library], check=True)
        os.symlink(library, os.path.join(stand_in, "libnvidia-ml.so.1"))
        environment = os.environ | {"LD_LIBRARY_PATH": stand_in}
        subprocess.run([sys.executable, "-m", "tests.cuda.libraries", "load"], cwd=ROOT, env=environment, check=True)
        check_messages(stand_in)
    print("the libraries fit, and every message is right")


if __name__ == "__main__":
    main()
