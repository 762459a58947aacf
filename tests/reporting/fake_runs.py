"""Run directories as searches and retrainings leave them, with made-up numbers."""

import json

import numpy as np

import args
from reporting.monitors import Monitors
from search_spaces import macro, micro, recurrent

SPACES = {"macro": macro.MacroSpace(12), "micro": micro.MicroSpace(5), "recurrent": recurrent.RecurrentSpace(9)}
HEADER = ("iteration", "accuracy", "parameters", "multiply_adds", "kept", "architecture")


def write_config(folder, space, job, options, finished=None):
    config = args.parse(space, job, [*options, "--monitor-path", str(folder)])
    folder.mkdir(parents=True)
    document = {
        "job": f"{space}_{job}", "options": config.options(), "command": f"{space}_{job}.py", "finished": finished,
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(document))


def search(folder, space="macro", seed=0, options=(), iterations=3, derived=2, finished=None, level=0.5):
    """A search of `iterations`; accuracy rises from `level`, perplexity falls. Returns the rows of its table."""
    write_config(folder, space, "search", ["--seed", str(seed), *options], finished)
    rng, monitors, rows, best = np.random.default_rng(seed), Monitors(folder), [], None
    measure = "perplexity" if space == "recurrent" else "accuracy"
    for iteration in range(iterations):
        qualities = level + 0.05 * iteration + 0.01 * rng.random(derived)
        chosen = int(np.argmax(qualities))
        kept, best = best is None or qualities[chosen] > best, max(best or 0, qualities[chosen])
        for index, quality in enumerate(qualities):
            shown = f"{80 / quality if space == 'recurrent' else quality:.6g}"
            row = (
                iteration + 1, shown, int(rng.integers(10**6, 10**7)), int(rng.integers(10**8, 10**9)),
                "yes" if kept and index == chosen else "no", SPACES[space].random(rng).to_text(),
            )  # fmt: skip
            monitors.row("architectures.csv", [measure if name == "accuracy" else name for name in HEADER], row)
            rows.append(row)
        monitors.series(f"Validation {measure}", iteration, float(rows[-derived + chosen][1]))
        for name in ("Controller reward", "Controller baseline", "Controller entropy", "Controller loss", "Training loss"):
            monitors.series(name, iteration, rng.random())
        monitors.series(f"Training {measure}", iteration, rng.random())
        monitors.series("Learning rate", iteration, 0.05)
    return rows


def retraining(folder, architecture, space="macro", options=(), epochs=3, finished=None, evaluation=None):
    """A retraining that has done `epochs` with test accuracies 0.5, 0.6, ... or perplexities 100, 90, ..."""
    write_config(folder, space, "retrain", options, finished)
    config = json.loads((folder / "config.json").read_text())
    config["options"]["architecture"] = architecture
    (folder / "config.json").write_text(json.dumps(config))
    monitors = Monitors(folder)
    measure, part = ("perplexity", "Validation") if space == "recurrent" else ("accuracy", "Test")
    for epoch in range(epochs):
        value = 100 - 10 * epoch if space == "recurrent" else 0.5 + 0.1 * epoch
        for name in (f"{part} {measure}", f"Training {measure}"):
            monitors.series(name, epoch, value)
        monitors.series("Training loss", epoch, 2 - 0.1 * epoch)
        monitors.series("Learning rate", epoch, 0.05)
    if evaluation:
        (folder / "evaluation.json").write_text(json.dumps(evaluation))
