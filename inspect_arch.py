"""Look at architectures and runs: draw one, describe it with what it costs, convert it, compare runs."""

import os
import sys

import args
import spaces
from errors import report_and_exit
from files import atomic_write
from reporting.comparison import comparison
from reporting.drawing import check_drawing_path, draw
from runs.commands import retraining_of
from runs.data_sizes import SIZING, data_of, data_sizes
from runs.device import choose_context
from runs.found_architecture import OWN
from search_spaces.files import PUBLISHED, load_architecture, save_architecture
from search_spaces.genotype import to_genotype


def main():
    """Do the job that the command line names; returns the exit status."""
    parser = _parser()
    given, others = parser.parse_known_args()
    if others and given.run is not _describe:
        parser.refuse(others)
    return given.run(given, others)


def _parser():
    parser = args.Parser(description="Draw, describe and convert architectures; compare runs.", allow_abbrev=False, lenient=True)
    jobs = parser.add_subparsers(required=True, metavar="draw | describe | convert | compare")
    drawing = jobs.add_parser("draw", help="draw an architecture", allow_abbrev=False)
    drawing.add_argument("-o", "--output", metavar="FILE", help="an .svg or .png file; default: ARCH with .svg for its suffix")
    describing = jobs.add_parser(
        "describe", help="describe an architecture in words, with parameters, multiply-adds and time of its final network",
        epilog="Options of the retraining scripts after ARCH set the network: --preset, --dataset, --output-filter, "
        "--additional-filters-on-retrain, --num-cells, --final-network, --hidden-size, --context, ...",
        allow_abbrev=False, lenient=True,
    )  # fmt: skip
    converting = jobs.add_parser("convert", help="convert an architecture to another format", allow_abbrev=False)
    converting.add_argument(
        "-o", "--output", metavar="FILE", required=True,
        help=".txt: the authors' string; .json: names; .genotype: as DARTS writes it; all others: a NumPy array",
    )  # fmt: skip
    for parser_, run in ((drawing, _draw), (describing, _describe), (converting, _convert)):
        parser_.add_argument("architecture", metavar="ARCH", help=f"a file, {', '.join(PUBLISHED)}, or the numbers in quotes")
        parser_.add_argument("--space", choices=tuple(spaces.SPACES), help="needed if a file fits several spaces")
        parser_.set_defaults(run=run)
    comparing = jobs.add_parser("compare", help="compare runs on one page", allow_abbrev=False)
    comparing.add_argument("runs", metavar="RUN", nargs="+", help="run directory (--monitor-path) of a search or a retraining")
    comparing.add_argument("-o", "--output", metavar="FILE", default="comparison.html", help="default: %(default)s")
    comparing.set_defaults(run=_compare)
    return parser


def _draw(given, _):
    named = os.path.lexists(given.architecture) or given.architecture in PUBLISHED
    output = given.output or (os.path.splitext(given.architecture)[0] if named else "architecture") + ".svg"
    check_drawing_path(output)
    draw(load_architecture(given.architecture, given.space, _remark), output)
    print(output)


def _convert(given, _):
    architecture = load_architecture(given.architecture, given.space, _remark)
    if os.path.splitext(given.output)[1].lower() == ".genotype":
        text = to_genotype(architecture)
        with atomic_write(given.output, "w") as file:
            file.write(text + "\n")
    else:
        save_architecture(given.output, architecture)
    print(given.output)


def _compare(given, _):
    text = comparison(given.runs, given.output)
    with atomic_write(given.output, "w") as file:
        file.write(text)
    print(given.output)


def _describe(given, others):
    architecture = load_architecture(given.architecture, given.space, _remark)
    asked = args.parse(architecture.space, args.RETRAIN, others)
    found = retraining_of(given.architecture)
    options = args.parse(architecture.space, args.RETRAIN, [*(found or ()), *others])
    for note in options.notes:
        _remark(note)
    context = choose_context(options.context, options.device_id, options.type_config, lambda line: None)
    print(architecture.describe())
    print(f"as text: {architecture.to_text()}")
    print(f"sizes: {_whose_sizes(given.architecture, found is not None, options)}{_exceptions(asked)}")
    facts = {} if any(name in asked.given for name in SIZING) else data_of(given.architecture)
    sizes = data_sizes(options, facts, _remark)
    print(f"{spaces.SPACES[architecture.space].describe_final_cost(architecture, options, sizes)} ({context})")


def _whose_sizes(path, known, options):
    if known:
        return f"as the run in {os.path.dirname(os.path.abspath(path))} retrains it"
    return f"assumed, those of --preset {options.preset} ({OWN} of a run directory gives those of its run)"


def _exceptions(asked):
    names = [f"--{name.replace('_', '-')}" for name in asked.given if name != "preset"]
    return f"; as asked: {', '.join(names)}" if names else ""


def _remark(line):
    print(line, file=sys.stderr)


if __name__ == "__main__":
    report_and_exit(main)
