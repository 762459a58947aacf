"""Several architectures in one command: a retraining of each, one after the other, and a page that compares them."""

import collections
import hashlib
import os
import pathlib
import sys

import args
from errors import UserError, status_of
from file_names import CONFIG
from files import atomic_write
from reporting.comparison import comparison
from runs.commands import again_command
from runs.found_architecture import OWN
from runs.parallel import all_processes
from search_spaces.files import PUBLISHED, load_architecture

PAGE = "comparison.html"
STOPPED = 128  # a status from here on is that of a signal


def members(config):
    """Dict of name -> `Config` of the retraining of one architecture, in a folder of that name inside --monitor-path.

    The name is that of the file, of the folder of a run's own copy, or of a published architecture. Raises UserError for an
    architecture that cannot be read or comes twice, and where the folder or the options are those of one run.
    """
    if config.initial_weights is not None:
        raise UserError("--initial-weights are of one architecture, found several in --recommended-arch; give one")
    if os.path.exists(os.path.join(config.monitor_path, CONFIG)):
        place = f"{config.monitor_path} is the run directory of another run"
        raise UserError(f"{place}; several retrainings need a folder of their own: choose another --monitor-path")
    texts = {word: load_architecture(word, config.space).to_text() for word in config.architectures}
    names = [_name(word, texts[word]) for word in config.architectures]
    often = collections.Counter(names)
    names = [
        f"{name}-{_digest(texts[word])}" if often[name] > 1 else name
        for name, word in zip(names, config.architectures, strict=True)
    ]
    twice = [word for name, word in zip(names, config.architectures, strict=True) if names.count(name) > 1]
    if twice:
        raise UserError(f"--recommended-arch names the same architecture more than once: {', '.join(twice)}; name it once")
    return {name: _member(config, name, word) for name, word in zip(names, config.architectures, strict=True)}


def _name(word, text):
    if not os.path.lexists(word):
        return word if word in PUBLISHED else f"arch-{_digest(text)}"
    path = pathlib.Path(word).absolute()
    return path.parent.name if path.name == OWN else path.stem


def _digest(text):
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _member(config, name, word):
    places = {key: getattr(config, key) for key in ("monitor_path", "monitor_save_path") if getattr(config, key) is not None}
    places = {key: os.path.join(path, name) for key, path in places.items()}
    return args.as_given(config, {"recommended_arch": word} | places)


class Several:
    """The retrainings that a command with the options `config` asks for; `make_job(config)` gives the `Job` of one."""

    def __init__(self, config, make_job):
        self._config, self._make_job, self._processes = config, make_job, all_processes()
        self._members = members(config)
        self._outcomes = {}  # name -> what was recorded, of those that did not fail
        self._late_signal = 0

    def run(self):
        """Do one after the other, whichever fails. Returns the exit status: 0, or that of the first failure."""
        statuses = [self._run(number, name) for number, name in enumerate(self._members, 1)]
        self._say("", *(f"{name}: {self._outcome(name)}" for name in self._members))
        if self._processes.is_first:
            self._write_page()
        return next((status for status in statuses if status), 0)

    def _run(self, number, name):
        self._say(*[""] * (number > 1), f"architecture {number} of {len(self._members)}: {name}")
        try:
            status = self._status(name)
        except SystemExit as stop:
            self._stop(stop.code)
        if status >= STOPPED:
            self._stop(status)
        if number < len(self._members):
            self._stop_late()
        return status

    def _status(self, name):
        def retrain():
            job = self._make_job(self._members[name])
            try:
                _, self._outcomes[name] = job.run()
            finally:
                self._late_signal = job.late_signal
            return self._outcomes[name].get("status", 0)

        # Of several processes one could fail alone, and the others would wait for it: there a failure ends them all.
        return status_of(retrain, resumes=True) if self._processes.size == 1 else retrain()

    def _stop_late(self):
        """A signal too late to stop one retraining stops before the next; of several processes a single one may have heard it."""
        (number,) = self._processes.agree(self._late_signal)
        if number:
            self._stop(STOPPED + number)

    def _stop(self, status):
        if self._processes.is_first:
            print(f"this resumes all {len(self._members)} retrainings: {again_command(self._config)}", file=sys.stderr)
        sys.exit(status)

    def _outcome(self, name):
        return self._outcomes[name]["summary"][0] if name in self._outcomes else "failed, see above"

    def _write_page(self):
        folders = [member.monitor_path for member in self._members.values()]
        folders = [folder for folder in folders if os.path.exists(os.path.join(folder, CONFIG))]
        if folders:
            page = os.path.join(self._config.monitor_path, PAGE)
            text = comparison(folders, page)
            with atomic_write(page, "w") as file:
                file.write(text)
            self._say(f"comparison: {page}")

    def _say(self, *lines):
        if self._processes.is_first and not self._config.quiet:
            print(*lines, sep="\n", flush=True)
