"""One job from its options to a finished run: what a search and a retraining have in common."""

from functools import partial

import numpy as np

import args
from errors import UserError
from file_names import FREE
from reporting import tensorboard
from reporting.progress import Progress
from runs.commands import again_command
from runs.device import choose_context, choose_kernels, try_threads
from runs.follower import go_back, open_run
from runs.forecast import Forecast
from runs.parallel import all_processes
from runs.run_config import Request
from runs.run_directory import Finished, RunDirectory
from training.divergence import Diverged


class Job:
    """A search or a retraining of a `spaces.Space` with the options `config`."""

    def __init__(self, space, config):
        self.space, self.config, self.processes = space, config, all_processes()
        # Of several processes the first one shows the progress; it begins with what is to be said of the options.
        self.progress = Progress(config.quiet or not self.processes.is_first, agree=self.processes.agree)
        self.say, self.tell = self.progress.say, self.progress.tell
        self.late_signal = 0  # that came after the last pause of the run, too late to stop it
        self.device = None  # where it computes and with which kernels, as config.json shows it
        self.say(*config.notes)

    # ---- what differs -------------------------------------------------------------------------------------------

    length = None  # name of the option that says how many rounds there are

    def check(self):
        """Raises UserError for what cannot be, before anything is written."""

    def expect_beginning(self):
        """Raises UserError for what keeps a new run from beginning, though it does not keep an unfinished one from going on."""

    def make_task(self):
        """The task to train and to judge networks with."""

    def make_loop(self, run, task):
        """The `Search` or `Retraining` in an opened run directory."""

    def outcome(self, run, loop, returned):
        """Dict for JSON to record and to say at the end; `returned`: what the loop's `run` did."""

    def repeat(self, outcome, folder):
        """What is left to do when the run in `folder` has been finished before."""

    def options(self):
        """Dict of what decides the result, for config.json."""
        return self.config.options() | self.device

    def next_command(self):
        """For the report: what to type when the run is finished, or None."""

    # ---- from start to end --------------------------------------------------------------------------------------

    def run(self):
        """Bring the run from where it stands to its end; returns its folder and the `outcome`.

        The run directory is opened when everything else is known to be right.
        """
        if self.config.tensorboard:
            tensorboard.writer_class()
        self.check()
        self.device = self._choose_device()
        task = self.make_task()
        data = task.data_record()
        self.processes.expect_same(data.facts["sha256"], "data")
        try:
            run = open_run(self.processes, lambda: self._open_run(data))
        except Finished as finished:
            self.repeat(finished.result, finished.path)
            self.say("this run is finished; use --restart to start over", *finished.result["summary"])
            return finished.path, finished.result
        try:
            outcome = self._finish(run, task)
        finally:
            self.late_signal = run.signal
        self.say("", *outcome["summary"])
        return run.path, outcome

    def _finish(self, run, task):
        with run, np.errstate(all="ignore"):  # what is not finite is looked for where it counts
            loop, returned = self.complete(run, task)
            outcome = self.processes.announce(self.outcome(run, loop, returned) if self.processes.is_first else None)
            run.finish(outcome)
        return outcome

    def complete(self, run, task):
        """(loop, what it returned); when training diverges begin again at the last checkpoint, or stop, as --on-nan says."""
        while True:
            task.trainer.rate_factor = run.rate_factor
            threads_found = try_threads(task, self.config.cpu_threads or self.processes.threads)
            loop = self.make_loop(run, task)
            if self.processes.is_first and not self.config.quiet:
                Forecast(loop, self.processes, partial(self._tell_hours, resumed=run.resumed is not None), threads_found)
            run.report.update()
            try:
                return loop, loop.run()
            except Diverged as diverged:
                self._go_back(run, diverged)
                task = self.make_task()
            finally:
                self.progress.stop()

    def _tell_hours(self, hours, resumed):
        """Say what the run takes, and which preset is made for a CPU where it has one and takes days."""
        shorter = args.preset_for_cpu(self.config) if self.device["context"] == "cpu" else None
        self.tell(hours.line("search" if self.config.job == args.SEARCH else "retraining", resumed, shorter))

    def _go_back(self, run, diverged):
        if self.config.on_nan == "stop":
            hint = "--on-nan back resumes from it with half the learning rates, --restart starts over with the options you choose"
            raise UserError(f"{diverged}; the last checkpoint in {run.path} is intact: {hint}") from diverged
        go_back(self.processes, run, str(diverged))

    def _choose_device(self):
        config, processes = self.config, self.processes
        processes.check_batch_size(config.batch_size)
        context = choose_context(config.context, processes.device_id(config.device_id), config.type_config, self.say)
        processes.use(context)
        threads = config.cpu_threads or processes.threads
        chosen = choose_kernels(context, config.cpu_kernels, threads, self.say, config.cpu_precision)
        return {"context": context, "kernels": chosen}

    def _open_run(self, data):
        config = self.config
        job, command = f"{config.space}_{config.job}", again_command(config)
        request = Request(
            job, self.options(), FREE, config.restart, command, data=data,
            length=self.length, bound_to_length=config.bound_to_length, keep_checkpoint=config.keep_checkpoint,
            expect_beginning=self.expect_beginning,
        )  # fmt: skip
        interval = 60 * config.checkpoint_interval
        return RunDirectory(config.monitor_path, request, self.tell, interval, self.next_command(), self.processes)

    def heading(self):
        """The first line of a run."""
        config, device = self.config, self.device
        schedule = f", schedule {config.schedule}" if config.job == args.SEARCH else ""
        processes = f", {self.processes.size} processes" if self.processes.size > 1 else ""
        computing = f"{device['context']} ({device['kernels']}){processes}"
        return f"{config.space} {config.job}: preset {config.preset}, {computing}, seed {config.seed}{schedule}"
