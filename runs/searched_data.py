"""A retraining of what a search found learns from the data of that search, unless the command names others."""

import os
import pathlib

import args
from datasets.record import difference
from errors import UserError
from runs.found_architecture import OWN
from runs.run_config import read_config, recorded_path
from search_spaces.files import load_architecture

DATA = ("dataset", "data_dir", "image_size", "coarse", "flip", "split_seed")


class SearchedData:
    """The data of the search that found `architecture`: it lies in the folder of the architecture file, or in --monitor-path.

    `config`: the options of the retraining with those of the data that the command leaves open as the search had them.
    """

    def __init__(self, config, architecture, log):
        self.config, self._facts = config, {}
        self._folder, found = _search_of(config, architecture)
        if found is None:
            return
        wanted = {name: found["options"].get(name) for name in DATA if hasattr(config, name)}
        if wanted.get("data_dir") is not None:
            wanted["data_dir"] = recorded_path(found, wanted["data_dir"])
        if not all(_same(name, config.given[name], wanted[name]) for name in ("dataset", "data_dir") if name in config.given):
            log(f"other data than those of the search in {self._folder}")
            return
        open_ones = {name: value for name, value in wanted.items() if name not in config.given}
        changed = {name: value for name, value in open_ones.items() if value != getattr(config, name)}
        if changed:
            self.config = args.as_given(config, changed)
            words = " ".join(f"--{name.replace('_', '-')} {value}" for name, value in changed.items())
            log(f"data as in the search in {self._folder}: {words}")
        if not any(name in config.given for name in ("image_size", "coarse", "split_seed")):
            self._facts = found.get("data") or {}

    def expect(self, facts):
        """Raises UserError if the data, of which a run writes down `facts`, have other sizes or classes than the search had."""
        sizes = ("image_shape", "classes", "vocabulary")
        other = difference(_only(sizes, self._facts), _only(sizes, facts))
        if other:
            advice = "put them back, or name others with --dataset and --data-dir"
            raise UserError(f"the data have changed since the search in {self._folder} ({other}); {advice}")


def _search_of(config, architecture):
    """(folder, config.json) of the search that found it; (None, None) if there is none that one knows of."""
    folder, name = os.path.split(os.path.abspath(config.recommended_arch))
    for place in [folder] * (name == OWN) + [config.monitor_path]:
        found = _read(place)
        if found and found["job"] == f"{config.space}_search" and _architecture(place, config.space) == architecture:
            return place, found
    return None, None


def _read(place):
    try:
        return read_config(pathlib.Path(place))
    except UserError:  # whoever opens it says what is wrong
        return None


def _architecture(place, space):
    try:
        return load_architecture(os.path.join(place, OWN), space)
    except UserError:
        return None


def _same(name, given, wanted):
    if name != "data_dir" or None in (given, wanted):
        return given == wanted
    return [os.path.realpath(path) for path in given.split(",")] == [os.path.realpath(path) for path in wanted.split(",")]


def _only(names, facts):
    return {name: facts[name] for name in names if name in facts}
