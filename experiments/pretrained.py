"""The folder `pretrained/` from a search and the retraining of what it found, both at their end.

    python -m experiments.pretrained --search tmp.evening_macro/search-ENAS-0 --training tmp.evening_macro/training-ENAS-0

writes the model, the architecture, `record.json`, the curves, and the tables between the marks in MODEL_CARD.md; the pictures are
those of `pretrained/draw_pictures.py`, what stands around the tables is written by hand.
"""

import datetime
import os
import pathlib

import numpy as np

import args
from datasets.pictures import read_picture
from deployment.export import load_nnp, with_facts
from errors import UserError, report_and_exit
from experiments import record
from experiments.figures import new_figure, save_figure
from experiments.summary import markdown, origin_of, put_in
from files import atomic_write
from reporting.comparison import final_quality
from reporting.run_files import read_run
from search_spaces.files import load_architecture, save_architecture

FOLDER = pathlib.Path(__file__).parents[1] / "pretrained"
CURVES = ("Training-accuracy", "Test-accuracy")
BY, TABLES = "experiments.pretrained", ("facts", "pictures")  # the marks in the card


def main():
    """Write the folder anew."""
    parser = args.Parser(description=__doc__.splitlines()[0])
    parser.add_argument("--search", required=True, metavar="RUN", help="run directory of the search")
    parser.add_argument("--training", required=True, metavar="RUN", help="run directory of the retraining")
    given = parser.parse_args()
    search, training = (_finished(folder) for folder in (given.search, given.training))
    if training.architecture != search.architecture:
        raise UserError(f"{given.training} did not train what {given.search} found; give the retraining of that architecture")
    card = FOLDER / "MODEL_CARD.md"
    page = card.read_text()
    for name in TABLES:
        put_in(page, name, "", BY)  # or there is no place for it, and nothing has been written yet
    best, origin = search.best(), record.origin()  # before anything here is changed
    weights = pathlib.Path(training.options["monitor_save_path"] or training.folder)
    publish(weights / "model.nnp", FOLDER / "model.nnp")
    found = {"iteration": best.iteration, "accuracy": best.quality, "seed": search.options["seed"]}
    save_architecture(FOLDER / f"{search.space}_arch.json", load_architecture(search.architecture, search.space), found)
    result = origin | _result(search, training)
    record.write("record", result, FOLDER)
    with atomic_write(FOLDER / "curves.png") as file:
        draw_curves(result, file)
    for name, table in tables(result).items():
        page = put_in(page, name, table, BY)
    with atomic_write(card, "w") as file:
        file.write(page)
    print(FOLDER)


def publish(source, target):
    """Copy an .nnp; of paths that its options tell it keeps the names alone, for where they lay is nobody's business."""
    facts = load_nnp(source).facts
    options = {name: _public(value) for name, value in facts["options"].items()}
    with atomic_write(target) as file:
        file.write(with_facts(source.read_bytes(), facts | {"options": options}))


def _public(value):
    return pathlib.Path(value).name if isinstance(value, str) and os.path.isabs(value) else value


def _finished(folder):
    run = read_run(folder)
    if not run.finished:
        raise UserError(f"{folder} has not come to its end; the command that began it goes on: {run.command}")
    return run


def _result(search, training):
    model = load_nnp(FOLDER / "model.nnp")
    return {
        "space": training.space,
        "seed": training.options["seed"],
        "accuracy": 100 * final_quality(training),
        "parameters": training.evaluation["parameters"],
        "multiply_adds": training.evaluation["multiply_adds"],
        "shared_accuracy": 100 * search.best().quality,
        "iterations": search.rounds,
        "epochs": training.rounds,
        "hours": {name: _hours(run) for name, run in (("search", search), ("retraining", training))},
        "classes": model.facts["classes"],
        "curves": {name: [100 * value for _, value in training.series.get(name, ())] for name in CURVES},
        "pictures": answers(model),
    }


def _hours(run):
    """From its start to its end, or None if it was interrupted."""
    began, ended = (datetime.datetime.fromisoformat(run.config[name]) for name in ("started", "ended"))
    return None if run.config["continued"] else round((ended - began).total_seconds() / 3600, 2)


def answers(model):
    """Dict: name of a picture -> what the model says and how sure it is, in percent."""
    of = {}
    for path in sorted((FOLDER / "pictures").glob("*.png")):
        [probabilities] = model.probabilities(read_picture(path, model.facts["image_shape"])[None])
        best = int(np.argmax(probabilities))
        of[path.stem] = {"answer": model.facts["classes"][best], "percent": round(100 * float(probabilities[best]), 2)}
    return of


def tables(result):
    """Dict: name of a table of the card -> its Markdown."""
    hours = {name: "" if value is None else f" in {value:.2f} hours" for name, value in result["hours"].items()}
    searched = f"{result['iterations']} iterations{hours['search']}"
    facts = [
        ("accuracy on CIFAR-10's 10,000 test images", f"{result['accuracy']:.2f} %"),
        ("size", f"{result['parameters']:,} parameters, {result['multiply_adds']:,} multiply-adds for an image"),
        ("search", f"{searched}; accuracy with shared weights {result['shared_accuracy']:.2f} %"),
        ("retraining", f"{result['epochs']} epochs of 50,000 images{hours['retraining']}"),
        ("origin", origin_of(result | {"trained": [result]})),
    ]
    pictures = [(name, of["answer"], f"{of['percent']:.2f} %") for name, of in result["pictures"].items()]
    made = markdown(("", "value"), facts), markdown(("picture", "answer", "probability"), pictures)
    return dict(zip(TABLES, made, strict=True))


def draw_curves(result, file):
    """PNG: accuracy on the training mini-batches and on the test images after each epoch."""
    figure = new_figure(6, 3.5)
    axes = figure.subplots()
    for name, values in result["curves"].items():
        axes.plot(range(1, len(values) + 1), values, label=name.replace("-", " ").lower())
    axes.set(xlabel="epoch", ylabel="%", title=f"retraining: {result['accuracy']:.2f} % on the test images")
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    save_figure(figure, file)


if __name__ == "__main__":
    report_and_exit(main)
