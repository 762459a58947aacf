"""SIGINT and SIGTERM: stop at the next good moment, or at once when asked twice."""

import contextlib
import os
import signal
import socket
import sys
import threading


class Interruption:
    """The first SIGINT or SIGTERM asks for a stop; a SIGINT after it ends the process at once.

    Python calls its signal handlers between two of its own instructions: not while a graph is computed. A thread hears of every
    signal when it comes, so the second SIGINT need not wait for the graph.
    """

    def __init__(self):
        self.signal = None  # number of the first one

    @contextlib.contextmanager
    def watch(self):
        """Handle the two signals inside the block; one that the process was told to ignore stays ignored."""
        numbers = [n for n in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(n) is not signal.SIG_IGN]
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
                _say("stopping after this mini-batch; Ctrl-C now ends at once, and what came after the last checkpoint is lost")


def _say(text):
    with contextlib.suppress(OSError):
        print(f"\n{text}", file=sys.stderr, flush=True)
