"""Trained networks for use elsewhere: NNabla's .nnp files, which take raw pixels, or a word, and give probabilities.

Beside the weights of a retraining stands `network.json`: everything else that is needed to build its network again.
"""

import contextlib
import dataclasses
import io
import json
import pathlib
import zipfile
from collections import OrderedDict

import h5py
import nnabla as nn
import nnabla.functions as F
import numpy as np

from errors import UserError
from files import atomic_write
from models import layers
from models.parameters import ParameterScope, load_parameters
from search_spaces.files import SPACES, parse

FACTS = "network.json"
WEIGHTS = "parameter.h5"  # in an .nnp
PIXELS, WORD, STATE, PROBABILITIES, NEXT_STATE = "pixels", "word", "state", "probabilities", "next_state"
LARGEST_SIDE, MOST_CLASSES, MOST_WORDS = 1024, 1000, 10**6  # of what is read back
TIMESTAMP = (1980, 1, 1, 0, 0, 0)  # of every part of an .nnp, so that the same weights make the same bytes


def network_facts(architecture, options, image_shape, classes, normalizer):
    """Dict for JSON: what an image network is besides its weights. `options`: dict of those of the retraining."""
    return _facts(architecture, options) | {
        "image_shape": list(image_shape),
        "classes": list(classes),
        "mean": normalizer.mean.tolist(),
        "std": normalizer.std.tolist(),
    }


def language_model_facts(architecture, options, words):
    """Dict for JSON: what a language model is besides its weights; `words`: its vocabulary, by number."""
    return _facts(architecture, options) | {"words": list(words)}


def _facts(architecture, options):
    return {"format": 1, "space": architecture.space, "architecture": architecture.to_text(), "options": options}


def names_of_outputs(facts):
    """Dict of what the probabilities are of: "classes", or "words", and their names."""
    return {name: facts[name] for name in ("classes", "words") if name in facts}


# A weight that tells what a parameter file is of, where it is not of an image network.
LANGUAGE_MODEL, CONTROLLER = {"embedding/W": "a language model"}, {"start": "a controller"}


def expect_network(path):
    """Raises UserError if the file is the parameter file of a controller."""
    kind = _kind(path, CONTROLLER)
    if kind:
        raise UserError(f"{path} holds the weights of {kind}; only networks can be exported")


def expect_image_network(path):
    """Raises UserError if the file is a parameter file of something else that this project writes, naming it."""
    kind = _kind(path, LANGUAGE_MODEL | CONTROLLER)
    if kind:
        raise UserError(f"{path} holds the weights of {kind}; only image networks predict")


def _kind(path, kinds):
    try:
        with h5py.File(path, "r") as file:
            return next((kind for name, kind in kinds.items() if name in file), None)
    except OSError:
        return None  # no parameter file, or damaged: whoever reads it says what is wrong


def expect_weights(path):
    """Raises UserError if the file is no parameter file at all."""
    if not h5py.is_hdf5(path):
        raise UserError(f"{path} holds no weights; give params_*.h5 or model.nnp of a retraining")


def write_facts(folder, facts):
    """Write `network.json` into the folder of the weights."""
    with atomic_write(pathlib.Path(folder) / FACTS, "w") as file:
        json.dump(facts, file, indent=1)
        file.write("\n")


def read_facts(folder):
    """The facts in a folder of weights. Raises UserError if they are missing or damaged."""
    path = pathlib.Path(folder) / FACTS
    try:
        return _checked(json.loads(path.read_text()))
    except OSError as error:
        raise UserError(f"no readable {path}, which retraining writes beside the weights; copy it there too") from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is damaged ({error}); copy it again from the folder of the retraining") from error


def _checked(facts):
    """The facts. Raises ValueError for those that no retraining writes: NNabla does not survive everything."""
    if not isinstance(facts, dict):
        raise ValueError("no object")
    outputs = "words" if "words" in facts else "classes"
    right = {
        "space": facts.get("space") in [name for name, kind in SPACES.items() if kind.outputs == outputs],
        "architecture": isinstance(facts.get("architecture"), str),
        "options": isinstance(facts.get("options"), dict),
    }
    right |= (_right_text if outputs == "words" else _right_images)(facts)
    wrong = [name for name, is_right in right.items() if not is_right]
    if wrong:
        raise ValueError(f"{', '.join(wrong)} missing or wrong")
    return facts


def _right_images(facts):
    shape, classes = facts.get("image_shape"), facts.get("classes")
    right = {
        "image_shape": _is_list(shape, int, 3) and shape[0] in (1, 3) and min(shape) > 0 and max(shape) <= LARGEST_SIDE,
        "classes": _is_list(classes, str) and 0 < len(classes) <= MOST_CLASSES,
    }
    for name in ("mean", "std"):
        right[name] = right["image_shape"] and _is_list(facts.get(name), float, shape[0])
    return right


def _right_text(facts):
    return {
        "words": _is_list(facts["words"], str) and 0 < len(facts["words"]) <= MOST_WORDS,
    }


def _is_list(value, kind, length=None):
    return isinstance(value, list) and all(type(item) is kind for item in value) and length in (None, len(value))


def architecture_of(facts):
    """The architecture that facts name."""
    return parse(facts["architecture"].encode(), ".txt", facts["space"])


def trained_network(build, facts, options, path, weights=None):
    """The network of some facts and options of the retraining with the weights of the .h5 file `path`.

    `build(options, parameter scope, number of classes or words)` makes the network; `weights`: a file object to read them from,
    where `path` only tells the user which file that is. Raises UserError if they do not belong together.
    """
    scope = ParameterScope()
    (names,) = names_of_outputs(facts).values()
    network = build(options, scope, len(names))
    inference_graph(network, facts)  # makes the parameters
    load_parameters(path, scope.all(), weights)
    return network


def write_nnp(path, network, weights, facts):
    """Write the `inference_graph` of the network with `weights` (dict name -> Variable) as an .nnp file."""
    scope = ParameterScope()
    scope.assign({name: variable.d for name, variable in weights.items()})
    data = _nnp(inference_graph(dataclasses.replace(network, scope=scope), facts))
    with atomic_write(path) as file:
        file.write(with_facts(data, facts))


@dataclasses.dataclass(frozen=True)
class InferenceGraph:
    """A network in evaluation, made of NNabla's own functions for one example; it takes any number. Dicts: name -> Variable."""

    inputs: dict
    outputs: dict
    parameters: dict  # those in use, constants too
    integers: tuple = ()  # names of the inputs that take them


def inference_graph(network, facts):
    """The `InferenceGraph` of a network.

    Of an image network "pixels" (batch, channels, height, width) of 0 to 255 -> "probabilities" (batch, classes); of a language
    model "word" (batch, 1), a number, and "state" (batch, size) -> "probabilities" (batch, words) of the next word, "next_state".
    """
    return (_text_graph if "words" in facts else _image_graph)(network, facts)


def _text_graph(model, facts):
    word, state = nn.Variable((1, 1)), nn.Variable((1, model.size))
    with layers.plain(), model.scope.record_use() as used:
        following = model.next_state(word, state, architecture_of(facts))
        probabilities = F.softmax(model.logits(following))
    outputs = {PROBABILITIES: probabilities, NEXT_STATE: F.identity(following)}  # an .nnp has the ends of a graph alone
    return InferenceGraph({WORD: word, STATE: state}, outputs, used, integers=(WORD,))


def _image_graph(network, facts):
    pixels = nn.Variable((1, *facts["image_shape"]))
    constants = {name: nn.Variable.from_numpy_array(_per_channel(facts[name])) for name in ("mean", "std")}
    with layers.plain(), network.scope.record_use() as used:
        images = F.div2(F.sub2(F.mul_scalar(pixels, 1 / 255), constants["mean"]), constants["std"])
        logits = network.build(images, architecture_of(facts), layers.RUNNING).logits
    used |= {f"normalization/{name}": value for name, value in constants.items()}
    return InferenceGraph({PIXELS: pixels}, {PROBABILITIES: F.softmax(logits)}, used)


def _per_channel(values):
    return np.reshape(np.array(values, np.float32), (1, -1, 1, 1))


def _nnp(graph):
    from nnabla.utils.save import save  # slow to import

    network = {"name": "network", "batch_size": 1, "names": graph.inputs, "outputs": graph.outputs}
    executor = {"name": "runtime", "network": "network", "data": list(graph.inputs), "output": list(graph.outputs)}
    image = io.BytesIO()
    with nn.parameter_scope("", OrderedDict()):
        for name, variable in sorted(graph.parameters.items()):
            nn.parameter.set_parameter(name, variable)
        save(image, {"networks": [network], "executors": [executor]}, extension=".nnp")
    return image.getvalue()


def with_facts(data, facts):
    """The bytes of an .nnp, which is a zip archive, with the facts added."""
    image = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(image, "w", zipfile.ZIP_DEFLATED) as target:
        parts = {name: source.read(name) for name in source.namelist()} | {FACTS: json.dumps(facts)}
        for name, content in parts.items():
            target.writestr(zipfile.ZipInfo(name, TIMESTAMP), content, zipfile.ZIP_DEFLATED)
    return image.getvalue()


@dataclasses.dataclass(frozen=True)
class LoadedNetwork:
    """An .nnp file of `write_nnp`."""

    graph: object  # nnabla's NnpLoader
    facts: dict

    def probabilities(self, pixels):
        """(batch, classes) for images (batch, channels, height, width) of 0 to 255."""
        network = self.graph.get_network("network", batch_size=len(pixels))
        network.inputs[PIXELS].d = pixels
        network.outputs[PROBABILITIES].forward(clear_buffer=True)
        return network.outputs[PROBABILITIES].d.copy()


def load_nnp(path):
    """The `LoadedNetwork` in a file. Raises UserError if it is none that retraining or `deploy.py export` wrote."""
    from nnabla.utils.nnp_graph import NnpLoader  # slow to import

    with _readable(path):
        return LoadedNetwork(NnpLoader(str(path)), _parts(path)[0])


def read_nnp(path):
    """(facts, file object of the .h5 with the weights) in a file. Raises UserError as `load_nnp` does."""
    with _readable(path):
        return _parts(path)


def _parts(path):
    with zipfile.ZipFile(path) as file:
        damaged = file.testzip()
        if damaged:
            raise ValueError(f"{damaged} in it is damaged")
        return _checked(json.loads(file.read(FACTS))), io.BytesIO(file.read(WEIGHTS))


@contextlib.contextmanager
def _readable(path):
    try:
        yield
    except Exception as error:  # whatever a damaged file makes the archive, JSON, protobuf, HDF5 and NNabla raise
        reason = getattr(error, "strerror", None) or str(error).strip("'\"") or type(error).__name__
        raise UserError(f"cannot read {path} ({reason}); give the model.nnp of a retraining") from error
