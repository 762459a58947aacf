"""Use a retrained network elsewhere: export it to NNabla, PyTorch or ONNX, and tell what is in pictures."""

import args

# isort: split
import os
import sys

import numpy as np

from datasets import IMAGE_SOURCES
from datasets.pictures import read_picture
from deployment.export import (
    architecture_of,
    expect_image_network,
    expect_network,
    expect_weights,
    inference_graph,
    load_nnp,
    names_of_outputs,
    read_facts,
    read_nnp,
    trained_network,
    write_nnp,
)
from deployment.onnx_file import PACKAGE, expect_onnx, write_onnx
from deployment.pytorch import expect_module, write_pytorch
from errors import UserError, report_and_exit
from search_spaces.files import load_architecture
from spaces import SPACES
from wording import percent


def main():
    """Do the job that the command line names; returns the exit status."""
    given = _parser().parse_args()
    return given.run(given)


def _parser():
    parser = args.Parser(description="Export a retrained network, or classify images with it.", allow_abbrev=False)
    jobs = parser.add_subparsers(required=True, metavar="export | predict")
    export = jobs.add_parser("export", help="write a network as an .nnp, .onnx or PyTorch file", allow_abbrev=False)
    export.add_argument("weights", metavar="WEIGHTS", help="params_*.h5 of a retraining, beside network.json, or its model.nnp")
    export.add_argument(
        "-o", "--output", metavar="FILE", required=True,
        help=f"the suffix selects the format; .nnp; .py: PyTorch, with .safetensors beside it; .onnx: requires {PACKAGE}",
    )  # fmt: skip
    export.add_argument("--recommended-arch", metavar="ARCH", help="file of the architecture that the weights belong to")
    export.set_defaults(run=_export)
    predict = jobs.add_parser("predict", help="print the class of each image and its probability", allow_abbrev=False)
    predict.add_argument("model", metavar="MODEL", help="model.nnp of a retraining")
    predict.add_argument("images", metavar="IMAGE", nargs="+", help="PNG or JPEG of any size; its center is cropped and scaled")
    predict.add_argument("--top", type=int, default=1, metavar="N", help="print the N most probable classes; default: 1")
    predict.add_argument("--invert", action="store_true", help="invert light and dark first")
    predict.add_argument("--mirrored", action="store_true", help="take the mean of each image and its mirror image")
    predict.set_defaults(run=_predict)
    return parser


def _export(given):
    suffix = os.path.splitext(given.output)[1].lower()
    if suffix not in WRITERS:
        raise UserError(f"--output must end in {' or '.join(WRITERS)}, found {given.output}")
    if not os.path.isfile(given.weights):
        raise UserError(f"there is no file {given.weights}; give params_*.h5 or model.nnp of a retraining")
    if given.weights.endswith(".nnp") and suffix == ".nnp":
        raise UserError(f"{given.weights} is already an .nnp file; --output may be a .py or .onnx file")
    if suffix == ".py":
        expect_module(given.output)
    for path in WRITERS[suffix](given.output, *_trained(given)):
        print(path)


def _trained(given):
    """(network, facts) of params_*.h5, beside which network.json stands, or of a model.nnp, which holds both."""
    path = given.weights
    if path.endswith(".nnp"):
        place, (facts, weights) = "in", read_nnp(path)
    else:
        expect_weights(path)
        expect_network(path)
        place, facts, weights = "beside", read_facts(os.path.dirname(path)), None
    if given.recommended_arch and load_architecture(given.recommended_arch, facts["space"]) != architecture_of(facts):
        raise UserError(f"{path} does not hold the architecture in {given.recommended_arch}; leave --recommended-arch out")
    space = SPACES[facts["space"]]
    try:
        options = args.revised(args.parse(facts["space"], args.RETRAIN, []), facts["options"])
    except UserError as error:
        raise UserError(f"network.json {place} {path} is damaged ({error}); copy it again") from error
    return trained_network(space.final_network, facts, options, path, weights), facts


def _write_nnp(path, network, facts):
    write_nnp(path, network, network.scope.all(), facts)
    return [path]


def _write_onnx(path, network, facts):
    expect_onnx()
    write_onnx(path, inference_graph(network, facts), names_of_outputs(facts))
    return [path]


def _write_pytorch(path, network, facts):
    return [path, write_pytorch(path, network, facts)]


# Each gives the paths of what it has written.
WRITERS = {".nnp": _write_nnp, ".onnx": _write_onnx, ".py": _write_pytorch}


def _predict(given):
    expect_image_network(given.model)
    model = load_nnp(given.model)
    if "classes" not in model.facts:
        raise UserError(f"{given.model} holds a language model; only image networks predict")
    classes = model.facts["classes"]
    pictures = [read_picture(path, model.facts["image_shape"]) for path in given.images]
    pictures = [255 - picture if given.invert else picture for picture in pictures]
    source = IMAGE_SOURCES.get(model.facts["options"].get("dataset"))
    if source and source.look:
        hint = "the images were inverted" if given.invert else "use --invert for black on white"
        print(f"trained on {source.look}: {hint}", file=sys.stderr)
    for path, picture in zip(given.images, pictures, strict=True):
        views = [picture, picture[..., ::-1]] if given.mirrored else [picture]
        probabilities = model.probabilities(np.stack(views)).mean(axis=0)
        if not np.isfinite(probabilities).all():
            raise UserError(f"the outputs of {given.model} for {path} are not finite; retrain it with a lower learning rate")
        best = probabilities.argsort()[::-1][: max(given.top, 1)]
        print(f"{path}: " + ", ".join(f"{classes[index]} {percent(probabilities[index])}" for index in best))


if __name__ == "__main__":
    report_and_exit(main)
