"""Running the scripts of the project, several at a time; finished ones are not rerun, stopped ones resume."""

import concurrent.futures
import os
import pathlib
import subprocess
import sys
from dataclasses import dataclass

from errors import UserError

HOME = pathlib.Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Command:
    """A script or module of the project, its options (dict by name, None for the default) and the run directory it writes."""

    script: str
    run: pathlib.Path
    options: dict

    def line(self):
        """The command line; one thread, for several commands share the cores."""
        options = {"context": "cpu", "cpu_threads": 1, "quiet": True, "monitor_path": self.run} | self.options
        words = [f"--{name.replace('_', '-')}={value}" for name, value in options.items() if value is not None]
        return [sys.executable, *(["-m", self.script] if "." in self.script else [str(HOME / f"{self.script}.py")]), *words]


def run_all(commands, workers, say):
    """Run the commands, `workers` at a time. Raises UserError naming the log of the first that fails.

    When one fails or this process is told to end, those that run are asked to write their checkpoint and to end.
    """
    running = set()
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        try:
            futures = {pool.submit(_run, command, running): command for command in commands}
            for number, future in enumerate(concurrent.futures.as_completed(futures), 1):
                command, status = futures[future], future.result()
                if status:
                    raise UserError(f"{command.script} ended with status {status}; {_log(command)} says why")
                say(f"{number}/{len(commands)}: {command.run}")
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in list(running):
                process.terminate()
            raise


def _run(command, running):
    command.run.parent.mkdir(parents=True, exist_ok=True)
    with open(_log(command), "ab") as log:
        process = subprocess.Popen(command.line(), stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=_environment())
        running.add(process)
        try:
            return process.wait()
        finally:
            running.discard(process)


def _environment():
    paths = [str(HOME), *filter(None, [os.environ.get("PYTHONPATH")])]
    return os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(paths)}


def _log(command):
    return command.run.with_name(command.run.name + ".log")
