"""The processes of one job: who takes which share of the work, and how the shares come together.

Started by mpirun or srun every process runs the same program with the same options, and all of them hold the same weights. The
loops ask `Processes` for this one's share of a mini-batch and for means over all; to a process on its own a share is the whole.
Messages are arrays and JSON: nothing is unpickled.
"""

import contextlib
import json
import os
import socket
import sys
import tempfile
import time
import traceback

import numpy as np

import errors
from errors import UserError
from kernels import MPI_SIZES
from runs import cuda_libraries
from training.processes import SINGLE, Processes

# How many processes there are, as Open MPI, MPICH and Intel MPI, MVAPICH, and SLURM tell them.
JOB_SIZES = (*MPI_SIZES, "SLURM_STEP_NUM_TASKS")
STARTED = "ENAS_STARTED_PROCESSES"  # how many, for those that the first one started (runs/spawned.py)
PATIENCE = 2.0  # seconds in which a failure that befalls all processes has reached each


def expect_equal_shares(batch_size, size):
    """Raises UserError when a mini-batch of so many rows cannot be shared out evenly over `size` processes."""
    if batch_size % size:
        raise UserError(
            f"--batch-size must be a multiple of the number of processes, found {batch_size} for {size} processes"
        )


class MpiProcesses(Processes):
    """The processes of an mpi4py communicator: that between their hosts, NNabla's NCCL communicator between their GPUs.

    comm: default that of all processes that mpirun or srun started.
    """

    threads = 1

    def __init__(self, comm=None):
        from mpi4py import MPI

        self._mpi, self._comm = MPI, comm or MPI.COMM_WORLD
        self._leaving = self._comm.Dup()
        self.rank, self.size = self._comm.rank, self._comm.size
        self.is_first = self.rank == 0
        self._nccl = None  # NNabla's communicator between GPUs

    # ---- devices ------------------------------------------------------------------------------------------------

    def device_id(self, asked):
        """NCCL's rule: the processes of a machine take its GPUs in order; `asked` is not used."""
        machine = self._comm.Split_type(self._mpi.COMM_TYPE_SHARED)
        number = machine.rank
        machine.Free()
        return str(number)

    def use(self, context):
        self.expect_same(context, "contexts; name one with --context")
        if context == "cudnn":
            self._nccl = self._nccl_communicator()

    def _nccl_communicator(self):
        """Sums in single precision, also for half-precision gradients. Raises UserError when NNabla has none."""
        import nnabla.communicators as C
        from nnabla.ext_utils import get_extension_context

        here = self.device_id(None)
        try:
            communicator = C.MultiProcessDataParallelCommunicator(get_extension_context("cudnn", device_id=here))
            communicator.init()
        except Exception as error:  # whatever NNabla, MPI and NCCL say
            reason = errors.reason_of(error)
            raise UserError(f"NNabla's NCCL communicator does not start: {reason}; fix that or use --context cpu") from error
        seen, ours = (communicator.rank, communicator.size, str(communicator.local_rank)), (self.rank, self.size, here)
        if seen != ours:
            words = "process {} of {}, number {} on its machine"
            found = f"NNabla's communicator sees {words.format(*seen)}, mpi4py {words.format(*ours)}"
            raise UserError(f"{found}; let both use one MPI library (OMPI_HOME), and give every machine a host name of its own")
        return communicator

    # ---- shares -------------------------------------------------------------------------------------------------

    def check_batch_size(self, batch_size):
        expect_equal_shares(batch_size, self.size)

    def rows(self, count):
        each = count // self.size
        return slice(self.rank * each, (self.rank + 1) * each)

    def share(self, array, axis=0):
        rows = self.rows(array.shape[axis])
        return array[(slice(None),) * axis + (rows,)]

    def collect(self, share, axis=0):
        share = np.ascontiguousarray(share)
        shares = np.empty((self.size, *share.shape), share.dtype)
        self._comm.Allgather(share, shares)
        return np.concatenate(list(shares), axis=axis)

    def map(self, function, items):
        value = function(items[min(self.rank, len(items) - 1)])
        return self.collect(np.array([value], float))[: len(items)].tolist()

    # ---- coming together ----------------------------------------------------------------------------------------

    def average(self, arrays):
        views = [array.data for array in arrays]
        packed = np.concatenate([view.ravel() for view in views])
        self._comm.Allreduce(self._mpi.IN_PLACE, packed)
        packed /= self.size
        ends = np.cumsum([view.size for view in views])
        for view, mean in zip(views, np.split(packed, ends[:-1]), strict=True):
            view[...] = mean.reshape(view.shape)

    def average_on_device(self, array):
        self._nccl.all_reduce([array], division=True, inplace=True)  # each array of the list costs a message of MPI besides

    def sum(self, array):
        total = np.array(array)
        self._comm.Allreduce(self._mpi.IN_PLACE, total)
        return total

    def agree(self, *numbers):
        greatest = np.array(numbers, np.int64)
        self._comm.Allreduce(self._mpi.IN_PLACE, greatest, self._mpi.MAX)
        return tuple(greatest.tolist())

    def expect_same(self, text, what):
        if any(self.agree(text != self.announce(text))):
            raise UserError(f"the processes do not have the same {what}; start the same program on machines of one kind")

    def announce(self, document):
        data = np.frombuffer(json.dumps(document).encode(), np.uint8) if self.is_first else None
        (length,) = self.agree(len(data) if self.is_first else 0)
        data = np.array(data) if self.is_first else np.empty(length, np.uint8)
        self._comm.Bcast(data)
        return json.loads(data.tobytes())

    def announce_arrays(self, arrays):
        kinds = None
        if self.is_first:
            kinds = {name: [array.dtype.str, array.shape] for name, array in arrays.items()}
        kinds = self.announce(kinds)
        received = {}
        for name, (dtype, shape) in kinds.items():
            received[name] = np.asarray(arrays[name], order="C") if self.is_first else np.empty(shape, dtype)
            self._comm.Bcast(received[name])
        return received

    # ---- leaving ------------------------------------------------------------------------------------------------

    def run(self, main):
        """`main()`; a failure that befalls all processes is told by the first one, another ends the job at once."""
        try:
            return main()
        except SystemExit:
            raise
        except BaseException as error:
            if not self._all_leave():
                self._end_job(error)
            if self.is_first:
                raise
            with open(os.devnull, "w") as nowhere, contextlib.redirect_stderr(nowhere):
                return self._tell(error)

    def _end_job(self, error):
        """Tell an error that befell this process alone, and end all."""
        self._comm.Abort(self._tell(error, self._heading()))

    def _heading(self):
        return f"process {self.rank} of {self.size}, on {socket.gethostname()}, ends the job:"

    def _all_leave(self, patience=PATIENCE):
        """Do all processes come here within so many seconds?"""
        request, end = self._leaving.Ibarrier(), time.monotonic() + patience
        while not request.Test():
            if time.monotonic() > end:
                return False
            time.sleep(0.01)
        return True

    @staticmethod
    def _tell(error, *heading):
        """Print what `errors.report_and_exit` would; returns the exit status."""

        def fail():
            raise error

        print(*heading, sep="\n", end="\n" if heading else "", file=sys.stderr)
        try:
            return errors.status_of(fail, resumes=True)
        except Exception:  # a bug, which status_of lets through: the traceback is printed before all processes are ended
            traceback.print_exception(error)
            return 1


def all_processes():
    """The processes of this job: `SINGLE`, without looking for MPI, unless several processes were started.

    Raises UserError when they cannot find one another.
    """
    return _joined or belong_to(_those_at_the_start())


_joined = None


def belong_to(processes):
    """From now on they are `all_processes()`; returns them."""
    global _joined
    _joined = processes
    if processes.size > 1:
        _limit_threads()
        _show_library_to_nnabla()
    if not processes.is_first:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - as long as the process
    return processes


def _those_at_the_start():
    if STARTED in os.environ:
        from runs import spawned

        return spawned.join()
    size = next((int(os.environ[variable]) for variable in JOB_SIZES if variable in os.environ), 1)
    if size == 1:
        return SINGLE
    try:
        found = MpiProcesses()
    except (ImportError, RuntimeError) as error:  # mpi4py finds no library
        advice = "pip install '.[distributed]'"
        raise UserError(f"{size} processes were started, but mpi4py does not work ({error}); {advice}") from error
    if found.size != size:
        advice = "start them with the mpirun of the library that mpi4py uses, or with srun --mpi=pmix"
        raise UserError(f"{size} processes were started, MPI sees {found.size}; {advice}")
    return found


def _limit_threads():
    """One thread per process for NumPy's linear algebra: the processes are what uses the cores."""
    from threadpoolctl import threadpool_limits

    threadpool_limits(1)


def _show_library_to_nnabla():
    """NNabla's CUDA extension looks for $OMPI_HOME/lib/libmpi.so: let that be the library which mpi4py has loaded."""
    if not cuda_libraries.installed():
        return
    with open("/proc/self/maps") as file:
        paths = {line.split()[-1] for line in file if "/libmpi.so" in line}
    if "OMPI_HOME" in os.environ or len(paths) != 1:
        return
    home = tempfile.TemporaryDirectory(prefix="ompi-home-")
    os.mkdir(os.path.join(home.name, "lib"))
    os.symlink(paths.pop(), os.path.join(home.name, "lib", "libmpi.so"))
    os.environ["OMPI_HOME"] = home.name
    _kept.append(home)


_kept = []  # removed when the process ends


def report_and_exit(main):
    """`errors.report_and_exit` for a script that makes a run, maybe in several processes."""

    def guarded():
        processes = all_processes()
        return main() if processes.size == 1 else processes.run(main)

    errors.report_and_exit(guarded, resumes=True)
