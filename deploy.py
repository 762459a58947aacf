"""Use a retrained network elsewhere: export it as .nnp or .onnx, and tell what is in pictures."""

import args

# isort: split
import importlib.metadata
import os
import subprocess
import sys
import tempfile

import numpy as np

from datasets import LOOKS
from deployment.export import (
    architecture_of,
    expect_image_network,
    expect_weights,
    load_nnp,
    read_facts,
    trained_network,
    write_nnp,
)
from deployment.pictures import read_picture
from errors import UserError, report_and_exit
from files import atomic_write
from search_spaces.files import load_architecture
from wording import percent

FORMATS = (".nnp", ".onnx")
# The converter's other sets of operations count the border of an average pooling as pixels.
OPERATIONS = "opset_tensorrt"


def main():
    given = _parser().parse_args()
    return given.run(given)


def _parser():
    parser = args.Parser(description="Use a retrained image network elsewhere.", allow_abbrev=False)
    jobs = parser.add_subparsers(required=True, metavar="export | predict")
    export = jobs.add_parser("export", help="write weights as an .nnp or .onnx file", allow_abbrev=False)
    export.add_argument("weights", metavar="WEIGHTS", help="params_*.h5 of a retraining, beside network.json, or its model.nnp")
    export.add_argument("-o", "--output", metavar="FILE", required=True, help=".nnp or .onnx file; .onnx needs nnabla-converter")
    export.add_argument("--recommended-arch", metavar="ARCH", help="architecture file; it must be the one of the weights")
    export.add_argument("--batch-size", type=int, default=1, metavar="N", help="images that the .onnx takes at once; default: 1")
    export.set_defaults(run=_export)
    predict = jobs.add_parser("predict", help="print the class of each picture and its probability", allow_abbrev=False)
    predict.add_argument("model", metavar="MODEL", help="model.nnp of a retraining")
    predict.add_argument("images", metavar="IMAGE", nargs="+", help="PNG or JPEG of any size; the middle is cut out and scaled")
    predict.add_argument("--top", type=int, default=1, metavar="N", help="print the N most probable classes; default: 1")
    predict.add_argument("--invert", action="store_true", help="turn light and dark around first")
    predict.set_defaults(run=_predict)
    return parser


def _export(given):
    suffix = os.path.splitext(given.output)[1].lower()
    if suffix not in FORMATS:
        raise UserError(f"--output must end in {' or '.join(FORMATS)}, found {given.output}")
    if not os.path.isfile(given.weights):
        raise UserError(f"there is no file {given.weights}; give params_*.h5 or model.nnp of a retraining")
    if given.weights.endswith(".nnp") and suffix == ".nnp":
        raise UserError(f"{given.weights} is an .nnp file already; --output may be an .onnx file")
    if given.batch_size < 1:
        raise UserError(f"--batch-size must be at least 1, found {given.batch_size}")
    if not given.weights.endswith(".nnp"):
        expect_weights(given.weights)
        expect_image_network(given.weights)
    if suffix == ".onnx":
        _expect_converter()
    with tempfile.TemporaryDirectory() as folder:
        nnp = given.output if suffix == ".nnp" else os.path.join(folder, "model.nnp")
        source = _as_nnp(given, nnp)
        if suffix == ".onnx":
            _convert(source, os.path.join(folder, "model.onnx"), given)
    print(given.output)


def _as_nnp(given, path):
    """Path of the weights as an .nnp file: they themselves, or `path`, which is written."""
    if given.weights.endswith(".nnp"):
        facts = load_nnp(given.weights).facts
        _expect_architecture(given, facts)
        return given.weights
    facts = read_facts(os.path.dirname(given.weights))
    _expect_architecture(given, facts)
    try:
        options = args.revised(args.parse(facts["space"], args.RETRAIN, []), facts["options"])
    except UserError as error:
        raise UserError(f"network.json beside {given.weights} is damaged ({error}); copy it anew") from error
    network = trained_network(facts, options, given.weights)
    write_nnp(path, network, network.scope.all(), facts)
    return path


def _expect_architecture(given, facts):
    if given.recommended_arch and load_architecture(given.recommended_arch, facts["space"]) != architecture_of(facts):
        raise UserError(f"{given.weights} is not of the architecture in {given.recommended_arch}; leave --recommended-arch out")


def _expect_converter():
    try:
        importlib.metadata.distribution("nnabla-converter")
    except importlib.metadata.PackageNotFoundError as error:
        raise UserError("writing .onnx needs the package nnabla-converter: pip install 'nnabla-converter~=1.39.0'") from error


def _convert(nnp, onnx, given):
    """By NNabla's command, in a process of its own: it brings TensorFlow along."""
    command = [
        sys.executable, "-m", "nnabla.utils.cli.cli", "convert", "--define_version", OPERATIONS,
        "--batch-size", str(given.batch_size), nnp, onnx,
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"})
    if done.returncode or not os.path.exists(onnx):
        lines = (done.stderr + done.stdout).strip().splitlines() or ["no message"]
        raise UserError(f"nnabla-converter did not convert {given.weights}: {lines[-1]}")
    with open(onnx, "rb") as source, atomic_write(given.output) as file:
        file.write(source.read())


def _predict(given):
    expect_image_network(given.model)
    model = load_nnp(given.model)
    classes = model.facts["classes"]
    pictures = [read_picture(path, model.facts["image_shape"]) for path in given.images]
    pictures = [255 - picture if given.invert else picture for picture in pictures]
    look = LOOKS.get(model.facts["options"].get("dataset"))
    if look:
        hint = "the pictures were inverted" if given.invert else "--invert for black on white"
        print(f"trained on {look}: {hint}", file=sys.stderr)
    for path, picture in zip(given.images, pictures, strict=True):
        probabilities = model.probabilities(picture[None])[0]
        if not np.isfinite(probabilities).all():
            raise UserError(f"the outputs of {given.model} for {path} are not finite; train the network again, at a lower rate")
        best = probabilities.argsort()[::-1][: max(given.top, 1)]
        print(f"{path}: " + ", ".join(f"{classes[index]} {percent(probabilities[index])}" for index in best))


if __name__ == "__main__":
    report_and_exit(main)
