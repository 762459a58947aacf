"""Tables and figures of RESULTS.md out of results/*.json.

    python -m experiments.summary

writes figures/*.png and the tables between the marks in RESULTS.md; what stands around them is written by hand.
"""

import pathlib
import re
import statistics

import args
from errors import UserError, report_and_exit
from experiments import record
from experiments.figures import draw_comparison, draw_published
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

HOME = pathlib.Path(__file__).parent
PAGE = HOME / "RESULTS.md"


def main():
    """Write the tables of RESULTS.md anew."""
    args.Parser(description=__doc__.splitlines()[0]).parse_args()
    page = PAGE.read_text()
    for name, table in tables().items():
        page = put_in(page, name, table)
    with atomic_write(PAGE, "w") as file:
        file.write(page)
    for name in results():
        if _draw(name):
            path = HOME / "figures" / f"{name}.png"
            path.parent.mkdir(exist_ok=True)
            with atomic_write(path) as file:
                _draw(name)(record.read(name), file)
    print(PAGE)


def tables():
    """Dict: name of a result -> its Markdown."""
    made = {}
    for name in results():
        result, kind = record.read(name), _kind(name)
        if kind == "causes":
            made[name] = causes_table(result, record.read(result["space"]))
        else:
            made[name] = TABLES[kind](result)
    return made


def _kind(name):
    return next((kind for kind in ("published", "causes", "again", "first", "quick") if kind in name.split("_")), "comparison")


def _draw(name):
    """What draws a result, or None."""
    return {"published": draw_published, "comparison": draw_comparison}.get(_kind(name))


def results():
    """Names of the results, in alphabetical order; those of NAS-Bench-201 have a summary of their own."""
    return sorted(path.stem for path in record.RESULTS.glob("*.json") if not path.stem.startswith("nas_bench_201"))


def put_in(page, name, text):
    """`page` with `text` between the marks of `name`. Raises UserError when they are missing."""
    begin, end = f"<!-- {name}: made by experiments.summary -->", f"<!-- end of {name} -->"
    pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    if not pattern.search(page):
        raise UserError(f"{PAGE} has no lines {begin} and {end}; put them where the table belongs")
    return pattern.sub(lambda _: f"{begin}\n{text}\n{end}", page)


def comparison_table(result):
    """Markdown of a comparison of searches: arms, then rank correlations, then the origin."""
    show, unit = _shower(result)
    retrained = by_arm(result["retrained"])
    shared = by_arm(result["retrained"], "shared")
    last = {arm: _mean(seeds) for arm, seeds in last_iteration(result["searches"]).items()}
    header = (
        "arm", f"derived in the last iteration, shared weights, mean ({unit})", f"the five best, shared weights ({unit})",
        f"retrained: mean ± standard deviation ({unit})", "best",
        "minus plain random, paired by seed", "minus random, paired by seed",
    )  # fmt: skip
    rows = []
    for arm, seeds in retrained.items():
        everything = [value for values in seeds.values() for value in values]
        rows.append((
            arm, show(last[arm]) if arm in last else "-", show(_mean(shared[arm])), _spread(show, everything),
            show(_best(result, everything)),
            _difference(show, arm, retrained, PLAIN), _difference(show, arm, retrained, "random"),
        ))  # fmt: skip
    return "\n\n".join((_markdown(header, rows), _correlation_line(result["retrained"]), _origin_line(result)))


def causes_table(result, base):
    """Markdown of searches with something changed, beside ENAS and chance of the comparison `base`.

    Raises UserError unless both have the same seeds and sizes.
    """
    _expect_alike(result, base)
    show, unit = _shower(result)
    derived = last_iteration(base["searches"]) | last_iteration(result["searches"])
    retrained = by_arm(base["retrained"]) | by_arm(result["retrained"])
    rows = []
    for arm in ("ENAS", "random", *dict.fromkeys(search["arm"] for search in result["searches"])):
        values = [value for seed in retrained.get(arm, {}).values() for value in seed]
        judged_alike = result["settings"]["arms"].get(arm, {}).get("eval_batch_stats", True)
        differences = [_difference(show, arm, derived, other) if judged_alike else "-" for other in ("ENAS", "random")]
        rows.append((
            arm, show(_mean(derived[arm])), *differences, _entropies(base["searches"] + result["searches"], arm),
            _spread(show, values) if values else "-", _difference(show, arm, retrained, PLAIN) if values else "-",
        ))  # fmt: skip
    header = (
        "ENAS with", f"derived in the last iteration, shared weights, mean ({unit})", "minus ENAS, paired by seed",
        "minus random, paired by seed", "entropy of the policy, first and last iteration (nats)",
        f"retrained: mean ± standard deviation ({unit})", "minus plain random, paired by seed",
    )  # fmt: skip
    origins = f"{_origin_line(result)}\nENAS and random: {_origin_line(base)}"
    return "\n\n".join((_markdown(header, rows), origins))


def _expect_alike(result, base):
    for name in ("common", "retrain", "cut_lines"):
        if result["settings"][name] != base["settings"][name]:
            raise UserError(f"the results to compare differ in their settings ({name}); run both again")
    seeds = [{search["seed"] for search in one["searches"]} for one in (result, base)]
    if seeds[0] != seeds[1]:
        raise UserError(f"the results to compare have the seeds {seeds[0]} and {seeds[1]}; run both with the same")


def _entropies(searches, arm):
    known = [search["entropy"] for search in searches if search["arm"] == arm and search.get("entropy")]
    if not known:
        return "-"
    first, last = (statistics.fmean(values[end] for values in known) for end in (0, -1))
    return f"{first:.2f}, {last:.2f}"


def again_table(result):
    """Markdown of architectures that were trained twice."""
    show, unit = _shower(result)
    first, again = ([item[key] for item in result["retrained"]] for key in ("first", "retrained"))
    correlations, noise = repeatability(result["retrained"])
    header = (
        "plain random architectures", f"first training: mean ± standard deviation ({unit})", "second training",
        "noise of one training (standard deviation)", "rank correlation of the two trainings, mean (each seed)",
    )  # fmt: skip
    row = (str(len(first)), _spread(show, first), _spread(show, again), show(noise), _correlations(correlations))
    return "\n\n".join((_markdown(header, [row]), _origin_line(result)))


def published_table(result):
    """Markdown of a comparison of published with random architectures."""
    show, unit = _shower(result)
    retrained, parameters = by_arm(result["retrained"]), by_arm(result["retrained"], "parameters")
    rows = []
    for arm, seeds in retrained.items():
        values = [value for values in seeds.values() for value in values]
        counts = sorted({count for counts in parameters[arm].values() for count in counts})
        size = f"{counts[0]:,}" + (f" to {counts[-1]:,}" if len(counts) > 1 else "")
        difference = _difference(show, arm, retrained, "random")
        rows.append((arm, size, ", ".join(map(show, values)), _spread(show, values), difference))
    header = (
        "architecture", "parameters", f"seeds 0, 1, ... ({unit})", "mean ± standard deviation", "minus random, paired by seed",
    )  # fmt: skip
    return "\n\n".join((_markdown(header, rows), _origin_line(result)))


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
    return "\n\n".join((_markdown(header, cells), line, _origin_line(result)))


def quick_table(result):
    """Markdown of the first search that a user runs against chance, by shared-weight accuracy."""
    (show, unit), searches = _shower(result), result["searches"]
    best, last = by_arm(searches, "best"), by_arm(searches, "last")
    rows = [(arm, *(_spread(show, [value for [value] in of[arm].values()]) for of in (best, last))) for arm in best]
    header = (f"{unit}, mean ± standard deviation", "best of the search", "mean of those derived in the last iteration")
    return "\n\n".join((_markdown(header, rows), _against_chance(show, best, searches), _origin_line(result)))


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


def _best(result, values):
    return max(values) if result["measure"] == "accuracy" else min(values)


def _spread(show, values):
    mean, spread = mean_and_spread(values)
    return f"{show(mean)} ± {show(spread)}"


def _difference(show, arm, arms, other):
    if arm == other:
        return "-"
    mean, half = paired_difference(arms[arm], arms[other])
    return f"{'+' if mean > 0 else ''}{show(mean)} (± {show(half)})"


def _correlation_line(items):
    parts = []
    learned = dict.fromkeys(item["arm"] for item in items if item["arm"].startswith("ENAS"))
    for name, arms in (("random and plain random", ("random", PLAIN)), *((arm, (arm,)) for arm in learned)):
        values = rank_correlations([item for item in items if item["arm"] in arms])
        if values:
            parts.append(f"{name} {_correlations(values)}")
    return f"Rank correlation (Spearman) between shared-weight and retrained result, mean (each seed): {'; '.join(parts)}."


def _correlations(values):
    each = ", ".join(f"{value:.2f}" for value in values)
    return f"{statistics.fmean(values):.2f} ({each})"


def _origin_line(result):
    versions = ", ".join(f"{name} {version}" for name, version in result["versions"].items())
    seeds = sorted({item["seed"] for item in result.get("searches", result.get("retrained", ()))}) or [0]
    of = f"seeds {seeds[0]} to {seeds[-1]}" if len(seeds) > 1 else f"seed {seeds[0]}"
    origin = f"{result['date']}, commit {result['commit']}, {of}"
    return f"<sub>{origin}, {versions}; {result['machine']}.</sub>"


def _markdown(header, rows):
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


TABLES = {
    "published": published_table, "again": again_table, "first": first_code_table, "quick": quick_table,
    "comparison": comparison_table,
}  # fmt: skip


if __name__ == "__main__":
    report_and_exit(main)
