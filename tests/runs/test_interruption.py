import os
import signal
import subprocess
import sys
import time

import pytest

from runs.interruption import Interruption


def wait_for(condition):
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1])
def test_the_first_signal_is_noted_and_answered(capfd, number):
    handlers = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with Interruption().watch() as interruption:
        assert interruption.signal is None
        os.kill(os.getpid(), number)
        wait_for(lambda: interruption.signal)
        os.kill(os.getpid(), signal.SIGTERM)  # changes nothing any more
    assert interruption.signal == number
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == handlers
    assert capfd.readouterr().err.count("Ctrl-C") == 1


def test_a_signal_that_the_process_ignores_stays_ignored(capfd):
    earlier = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with Interruption().watch() as interruption:
            os.kill(os.getpid(), signal.SIGINT)
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, earlier)
    assert interruption.signal is None


# A graph of NNabla that takes minutes, in one call: Python runs no signal handler meanwhile.
LONG_GRAPH = """
import nnabla as nn, nnabla.functions as F, numpy as np, time
from runs.interruption import Interruption
x = y = nn.Variable.from_numpy_array(np.ones((1500, 1500), np.float32))
for _ in range(2000):
    y = F.affine(y, x)
with Interruption().watch() as interruption:
    print("computing", flush=True)
    y.forward(clear_buffer=True)
    print("finished", interruption.signal, flush=True)
"""


def test_a_second_sigint_ends_at_once_even_while_a_graph_is_computed():
    def prepare():
        signal.signal(signal.SIGINT, signal.default_int_handler)

    with subprocess.Popen(
        [sys.executable, "-c", LONG_GRAPH], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=prepare
    ) as process:
        assert process.stdout.readline() == "computing\n"
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        while "another Ctrl-C ends at once" not in process.stderr.readline():
            assert process.poll() is None
        start = time.monotonic()
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 128 + signal.SIGINT
        assert time.monotonic() - start < 5
        assert process.stdout.read() == ""
