"""Tables of RESULTS.md out of results/*.json.

    python -m experiments.summary

writes the tables between the marks in RESULTS.md; what stands around them is written by hand.
"""

import pathlib
import re
import statistics

import args
from errors import UserError, report_and_exit
from experiments import evening, record
from experiments.measures import (
    PLAIN,
    by_arm,
    last_iteration,
    mean_and_spread,
    paired_difference,
    rank_correlations,
    repeatability,
    wilcoxon,
)
from files import atomic_write

PAGE = pathlib.Path(__file__).parent / "RESULTS.md"
SEARCHES = ("macro", "macro_fast", "micro", "micro_fast", "recurrent", "recurrent_long")
PUBLISHED = ("published_macro", "published_micro", "published_recurrent")
AGAIN = ("macro_again", "recurrent_again")


def main():
    """Write the tables of RESULTS.md anew."""
    args.Parser(description=__doc__.splitlines()[0]).parse_args()
    page = PAGE.read_text()
    for name, table in tables().items():
        page = put_in(page, name, table)
    with atomic_write(PAGE, "w") as file:
        file.write(page)
    print(PAGE)


def tables():
    """Dict: name of a table -> its Markdown; of single results those that there are."""
    joint = {"searches": (searches_table, SEARCHES), "published": (published_table, PUBLISHED), "again": (again_table, AGAIN)}
    made = {name: table({result: record.read(result) for result in results}) for name, (table, results) in joint.items()}
    made |= {name: table(record.read(name)) for name, table in TABLES.items() if name in results()}
    return made | {kind: evening_table(evening.recorded(kind)) for kind in evening.kinds()}


def results():
    """Names of the results, in alphabetical order; those of NAS-Bench-201 have a summary of their own."""
    return sorted(path.stem for path in record.RESULTS.glob("*.json") if not path.stem.startswith("nas_bench_"))


def put_in(page, name, text, by="experiments.summary"):
    """`page` with `text` between the marks of `name`, which the module `by` writes. Raises UserError when they are missing."""
    begin, end = f"<!-- {name}: made by {by} -->", f"<!-- end of {name} -->"
    pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    if not pattern.search(page):
        raise UserError(f"the page has no lines {begin} and {end}; put them where the table belongs")
    return pattern.sub(lambda _: f"{begin}\n{text}\n{end}", page)


def searches_table(results):
    """Markdown of comparisons of searches (dict: name -> result), a row for each arm."""
    header = (
        "search", "arm", "derived last, shared weights", "the best five retrained, mean ± standard deviation",
        "minus plain random, paired by seed", "minus random, paired by seed", "Spearman, shared and retrained",
    )  # fmt: skip
    rows = [row for name, result in results.items() for row in _search_rows(name, result)]
    return "\n\n".join((markdown(header, rows), _origin_lines(results)))


def _search_rows(name, result):
    show, unit = _shower(result)
    retrained, derived = by_arm(result["retrained"]), last_iteration(result["searches"])
    for arm, seeds in retrained.items():
        values = [value for values in seeds.values() for value in values]
        judged = {"random", PLAIN} if arm == "random" else {arm}  # with the same shared weights
        correlations = rank_correlations([item for item in result["retrained"] if item["arm"] in judged]) if arm != PLAIN else ()
        yield (
            f"{name}, {unit}", arm, show(_mean(derived[arm])) if arm in derived else "-", _spread(show, values),
            _difference(show, arm, retrained, PLAIN), _difference(show, arm, retrained, "random"), _correlations(correlations),
        )  # fmt: skip


def again_table(results):
    """Markdown of architectures that were trained twice (dict: name -> result)."""
    header = (
        "plain random architectures", "first training: mean ± standard deviation", "second training",
        "noise of one training (standard deviation)", "Spearman of the two trainings",
    )  # fmt: skip
    rows = []
    for name, result in results.items():
        show, unit = _shower(result)
        first, again = ([item[key] for item in result["retrained"]] for key in ("first", "retrained"))
        correlations, noise = repeatability(result["retrained"])
        title = f"{name}, {len(first)}, {unit}"
        rows.append((title, _spread(show, first), _spread(show, again), show(noise), _correlations(correlations)))
    return "\n\n".join((markdown(header, rows), _origin_lines(results)))


def published_table(results):
    """Markdown of comparisons of published with random architectures (dict: name -> result)."""
    header = ("result", "architecture", "parameters", "mean ± standard deviation", "minus random, paired by seed")
    rows = []
    for name, result in results.items():
        show, unit = _shower(result)
        retrained, parameters = by_arm(result["retrained"]), by_arm(result["retrained"], "parameters")
        for arm, seeds in retrained.items():
            values = [value for values in seeds.values() for value in values]
            counts = sorted({count for counts in parameters[arm].values() for count in counts})
            size = f"{counts[0]:,}" + (f" to {counts[-1]:,}" if len(counts) > 1 else "")
            rows.append((f"{name}, {unit}", arm, size, _spread(show, values), _difference(show, arm, retrained, "random")))
    return "\n\n".join((markdown(header, rows), _origin_lines(results)))


def first_code_table(result):
    """Markdown of the small runs of the authors' first language-model code, an iteration or epoch in each column."""
    search, retrain = result["search"], result["retrain"]
    rounds = max(len(search["valid"]), len(retrain["valid"]))
    rows = [
        ("search, training", search["train"], 0), ("search, the best derived cell, validation", search["valid"], 0),
        ("search, all derived cells, validation, mean", search["derived"], 0), ("search, reward", search["reward"], 3),
        ("search, entropy of the policy, nats", search["entropy"], 2),
        ("retraining, training", retrain["train"], 0), ("retraining, validation", retrain["valid"], 0),
    ]  # fmt: skip
    cells = [
        (name, *(f"{value:.{digits}f}" for value in values), *[""] * (rounds - len(values))) for name, values, digits in rows
    ]
    words = result["frequencies"]
    line = (
        f"Test perplexity of the retraining {retrain['test']:.1f}; the frequencies of the words alone give {words['test']:.1f}, "
        f"on the validation text {words['valid']:.1f}."
    )
    header = ("perplexity after iteration or epoch", *map(str, range(1, rounds + 1)))
    return "\n\n".join((markdown(header, cells), line, _origin_line(result)))


def quick_table(result):
    """Markdown of the first search that a user runs against chance, by shared-weight accuracy."""
    (show, unit), searches = _shower(result), result["searches"]
    best, last = by_arm(searches, "best"), by_arm(searches, "last")
    rows = [(arm, *(_spread(show, [value for [value] in of[arm].values()]) for of in (best, last))) for arm in best]
    header = (f"{unit}, mean ± standard deviation", "best of the search", "mean of those derived in the last iteration")
    return "\n\n".join((markdown(header, rows), _against_chance(show, best, searches), _origin_line(result)))


def evening_table(trained):
    """Markdown of the networks trained whole (results of `evening`): what they cost and reach."""
    measure = trained[0]["measure"]
    show = (lambda value: f"{100 * value:.2f}") if measure == "accuracy" else (lambda value: f"{value:.1f}")
    reached = "test accuracy, %" if measure == "accuracy" else f"test {measure}"
    header = ("network", "parameters", "multiply-adds", "hours of search", "of training", reached)
    rows = [
        (item["name"], f"{item['parameters'] / 1e6:.2f} M", f"{item['multiply_adds'] / 1e6:.0f} M",
         "" if item["search_hours"] is None else f"{item['search_hours']:.1f}", f"{item['training_hours']:.1f}",
         show(item[measure]))
        for item in trained
    ]  # fmt: skip
    return "\n\n".join((markdown(header, rows), _origin_lines({item["name"]: item for item in trained})))


def _against_chance(show, best, searches):
    pairs = [(of_seed, best["random"][seed][0]) for seed, [of_seed] in best["ENAS"].items()]
    entropies = zip(*(item["entropy"] for item in searches if item["arm"] == "ENAS"), strict=True)
    first, *_, last = map(statistics.fmean, entropies)
    return (
        f"ENAS's best is ahead in {sum(a > b for a, b in pairs)} of {len(pairs)} seeds, by "
        f"{_difference(show, 'ENAS', best, 'random')} (Wilcoxon, paired: p = {wilcoxon(pairs):.2g}). Mean entropy of its policy: "
        f"{first:.2f} nats in the first iteration, {last:.2f} in the last."
    )


def _shower(result):
    """Function that prints a quality, and its unit."""
    if result["measure"] == "accuracy":
        return lambda value: f"{100 * value:.1f}", "% accuracy"
    return lambda value: f"{value:.1f}", "perplexity"


def _mean(seeds):
    return statistics.fmean(value for values in seeds.values() for value in values)


def _spread(show, values):
    mean, spread = mean_and_spread(values)
    return f"{show(mean)} ± {show(spread)}"


def _difference(show, arm, arms, other):
    if arm == other:
        return "-"
    mean, half = paired_difference(arms[arm], arms[other])
    return f"{'+' if mean > 0 else ''}{show(mean)} (± {show(half)})"


def _correlations(values):
    if not values:
        return "-"
    each = ", ".join(f"{value:.2f}" for value in values)
    return f"{statistics.fmean(values):.2f} ({each})"


def _origin_lines(results):
    return "<sub>" + "; ".join(f"{name}: {origin_of(result)}" for name, result in results.items()) + ".</sub>"


def _origin_line(result):
    return f"<sub>{origin_of(result)}.</sub>"


def origin_of(result):
    """Date, commit, seeds, versions and machine in a line."""
    versions = ", ".join(f"{name} {version}" for name, version in result["versions"].items())
    items = next((result[name] for name in ("searches", "retrained", "trained") if name in result), [result])
    seeds = sorted({item.get("seed", 0) for item in items})
    of = f"seeds {seeds[0]} to {seeds[-1]}" if len(seeds) > 1 else f"seed {seeds[0]}"
    return f"{result['date']}, commit {result['commit']}, {of}, {versions}, {result['machine']}"


def markdown(header, rows):
    """A table: tuple of strings, list of such."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


TABLES = {
    "first_code": first_code_table, "quick_macro": quick_table, "quick_micro": quick_table,
}  # fmt: skip


if __name__ == "__main__":
    report_and_exit(main)
