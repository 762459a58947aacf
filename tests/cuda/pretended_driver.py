"""A driver that shows two GPUs, in place of what the machine has: `python -c START SCRIPT OPTIONS` runs a script beside it."""

from runs import cuda_driver, cuda_probe

GPUS = (("Pretend GPU", 8, 0), ("Newer GPU", 10, 0))
PROBE = "from tests.cuda import pretended_driver; pretended_driver.install(); "
START = f"{PROBE}import runpy, sys; sys.argv.pop(0); runpy.run_path(sys.argv[0], run_name='__main__')"


def install():
    """From now on the driver of this process, and of the probes that it starts, is the pretended one."""
    cuda_driver.ask = lambda: cuda_driver.Answer(None, GPUS)
    cuda_probe.START = cuda_probe.START.replace("from runs.cuda_probe", f"{PROBE}from runs.cuda_probe")
