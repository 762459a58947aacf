"""--initial-weights: a retraining starts from the weights of another one of its architecture, with a new head where needed."""

import hashlib
import os
import pathlib
from dataclasses import dataclass

import numpy as np

from deployment.export import FACTS, architecture_of, expect_weights, names_of_outputs, read_facts, read_nnp
from errors import UserError
from file_names import CHECKPOINTS
from models.parameters import read_parameters, stored_shapes
from runs.checkpoint import Checkpoints
from runs.run_config import read_config, run_folder

EMBEDDING = "embedding/W"  # (words, size), both ends of a language model
HEAD, AUXILIARY = "fc/", "auxiliary/"  # of image networks: what the names of a head's weights begin with
TITLES = {HEAD: "the head", AUXILIARY: "the auxiliary head"}
CONSTANTS = "normalization/"  # in an .nnp, no weights
MOST_TOLD = 3  # differing tensors of a refusal
CHECKSUM = "initial_weights_sha256"  # in config.json


class WeightsFile:
    """params_*.h5 of a retraining or its model.nnp. `facts`: what the .nnp, or network.json beside, says of it; None: nothing."""

    def __init__(self, path):
        """Raises UserError if there is no such file, or one that holds no weights."""
        self.path, self._content = path, None
        if not os.path.isfile(path):
            raise UserError(f"there is no file {path}; give params_*.h5 or model.nnp of a retraining")
        if path.endswith(".nnp"):
            self.facts, self._content = read_nnp(path)
        else:
            expect_weights(path)
            folder = os.path.dirname(path)
            self.facts = read_facts(folder) if os.path.exists(os.path.join(folder, FACTS)) else None
        shapes = stored_shapes(path, self._content)
        self.shapes = {name: shape for name, shape in shapes.items() if not name.startswith(CONSTANTS)}

    @property
    def names(self):
        """What its outputs are of, a list of classes or of words; None where that is not known."""
        return names_of(self.facts) if self.facts else None

    def read(self, names):
        """Dict of name -> array."""
        return read_parameters(self.path, {name: self.shapes[name] for name in names}, self._content)

    def expect(self, architecture, shapes, new=(), other_words=False):
        """Raises UserError unless the tensors are those of an architecture, `shapes` (dict by name).

        new: beginnings of names that do not count; other_words: nor does how many words there are. An auxiliary head that
        nobody asks for does no harm.
        """
        ignored = (*new, *(() if any(name.startswith(AUXILIARY) for name in shapes) else (AUXILIARY,)))
        names = sorted(name for name in shapes.keys() | self.shapes.keys() if not name.startswith(ignored))
        first = slice(1 if other_words else 0, None)
        rows = {name: first if name == EMBEDDING else slice(None) for name in names}
        differing = [name for name in names if self.shapes.get(name, ())[rows[name]] != shapes.get(name, ())[rows[name]]]
        if differing:
            raise UserError(f"{self.path} is not of this network: {self._told(differing, shapes)}; {_ADVICE}")
        if self.facts and architecture_of(self.facts) != architecture:
            other = architecture_of(self.facts).to_text()
            raise UserError(f"{self.path} is of another architecture, {other}; give weights of {architecture.to_text()}")

    def _told(self, names, shapes):
        told = [f"{name} {_shown(self.shapes.get(name))} there, {_shown(shapes.get(name))} here" for name in names[:MOST_TOLD]]
        return "; ".join(told + ([f"and {len(names) - MOST_TOLD} more tensors"] if len(names) > MOST_TOLD else []))


_ADVICE = "give weights of the same architecture and sizes"


def names_of(facts):
    """List of the classes or words that facts name."""
    return next(iter(names_of_outputs(facts).values()))


def _shown(shape):
    return "missing" if shape is None else str(tuple(map(int, shape)))


class InitialWeights:
    """What the network of a `Task` starts with; making it raises UserError if the `WeightsFile` is of another network."""

    def __init__(self, file, task, architecture, names):
        """`names`: the classes or words of the task's outputs, a list."""
        task.trainer.make_weights(architecture)
        self._file, self._variables, self._names = file, task.network.scope.all(), names
        shapes = {name: variable.shape for name, variable in self._variables.items()}
        self._of_words = EMBEDDING in shapes
        self._new = {} if self._of_words else self._new_heads(shapes)
        file.expect(architecture, shapes, tuple(self._new), other_words=self._of_words)
        unknown = self._of_words and file.names is None
        if unknown:
            self._new[EMBEDDING] = f"no {FACTS} beside it says which words it knows"
        self._arrays = file.read([name for name in shapes if not name.startswith(tuple(self._new))])

    def _new_heads(self, shapes):
        """Dict of beginning of a name -> why these weights are new."""
        reasons = {}
        for beginning in TITLES:
            of_head = {name: shape for name, shape in shapes.items() if name.startswith(beginning)}
            if of_head and self._file.names is None:
                reasons[beginning] = f"no {FACTS} beside it says which classes it knows"
            elif of_head and self._file.names != self._names:
                reasons[beginning] = "its classes differ"
            elif beginning == AUXILIARY and any(self._file.shapes.get(name) != shape for name, shape in of_head.items()):
                reasons[beginning] = "the file has none for images of this size"
        return reasons

    def put(self):
        """Set the weights; returns a line that says what was loaded and what is new."""
        new = [f"{TITLES.get(beginning, 'the embedding')} is new, because {why}" for beginning, why in self._new.items()]
        if EMBEDDING in self._arrays:
            self._arrays[EMBEDDING], unknown = self._embedding()
            new += [f"{unknown:,} of {len(self._names):,} words are new, because it does not know them"] if unknown else []
        for name, array in self._arrays.items():
            self._variables[name].d = array
        return "; ".join([f"initial weights: {len(self._arrays)} of {len(self._variables)} tensors from {self._file.path}", *new])

    def _embedding(self):
        """(rows of all words, in which those that the file knows have its rows; how many it does not know)."""
        row_of = {word: row for row, word in enumerate(self._file.names)}
        known = [(row, row_of[word]) for row, word in enumerate(self._names) if word in row_of]
        here, there = np.array(known, int).reshape(-1, 2).T
        rows = self._variables[EMBEDDING].d.copy()
        rows[here] = self._arrays[EMBEDDING][there]
        return rows, len(self._names) - len(known)


@dataclass(frozen=True)
class Source:
    """Where --initial-weights come from: `path`; its content as a `checksum`; `file`: None where a run has started already."""

    path: str
    checksum: str
    file: WeightsFile | None

    @classmethod
    def of(cls, config):
        """As the options say. A run that started from the file goes on without it. Raises UserError as `WeightsFile`."""
        path = os.path.abspath(config.initial_weights)
        folder = run_folder(config.monitor_path, f"{config.space}_{config.job}")
        earlier = read_config(folder) or {"options": {}, "finished": None}
        recorded = earlier["options"].get(CHECKSUM) if earlier["options"].get("initial_weights") == path else None
        goes_on = earlier["finished"] is None and Checkpoints(folder / CHECKPOINTS).exist()
        if recorded and not config.restart and (goes_on or not os.path.isfile(path)):
            return cls(path, recorded, None)
        file = WeightsFile(config.initial_weights)
        return cls(path, hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest(), file)

    def options(self):
        """Dict for config.json."""
        return {"initial_weights": self.path, CHECKSUM: self.checksum}

    def expect_file(self):
        """Raises UserError if a new run would begin without the file."""
        if self.file is None:
            raise UserError(f"there is no file {self.path}, from which this run starts; restore it")
