"""SIGINT, SIGTERM and SIGUSR1: stop at the next good moment, or at once when asked twice."""

import contextlib
import os
import signal
import socket
import sys
import threading


class Interruption:
    """The first SIGINT, SIGTERM or SIGUSR1 asks for a stop; a SIGINT after it ends the process at once.

    SIGUSR1 is what mpirun hands on to its processes without ending them, and what SLURM can send some time before the limit.

    Python calls its signal handlers between two of its own instructions: not while a graph is computed. A thread hears of every
    signal when it comes, so the second SIGINT need not wait for the graph.
    """

    def __init__(self, quiet=False):
        self.signal = None  # number of the first one
        self._quiet = quiet

    @contextlib.contextmanager
    def watch(self):
        """Handle the signals inside the block; one that the process was told to ignore stays ignored.

        Only the main thread may: in another one signals stay as they are.
        """
        if threading.current_thread() is not threading.main_thread():
            yield self
            return
        wanted = signal.SIGINT, signal.SIGTERM, signal.SIGUSR1
        numbers = [number for number in wanted if signal.getsignal(number) is not signal.SIG_IGN]
        ours, theirs = socket.socketpair()
        theirs.setblocking(False)
        listener = threading.Thread(target=self._listen, args=(ours,), daemon=True)
        listener.start()
        earlier_fd = signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
        earlier = {number: signal.signal(number, self._handle) for number in numbers}
        try:
            yield self
        finally:
            for number, handler in earlier.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(earlier_fd)
            theirs.close()
            listener.join()
            ours.close()

    def _handle(self, number, frame):
        if self.signal is None:
            self.signal = number

    def _listen(self, heard):
        before = None
        while data := heard.recv(1):
            if data[0] == signal.SIGINT and before is not None:
                os._exit(128 + signal.SIGINT)
            if before is None:
                before = data[0]
                hint = "another Ctrl-C ends at once and loses everything since the last checkpoint"
                self._say(f"stopping after this mini-batch; {hint}")

    def _say(self, text):
        if not self._quiet:
            with contextlib.suppress(OSError):
                print(f"\n{text}", file=sys.stderr, flush=True)
