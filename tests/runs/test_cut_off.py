"""The line about a training that ends within a cycle of its learning rate."""

import pytest

import args
from benchmarks.option_task import random_dataset
from runs import image_tasks
from spaces import MACRO

SIZE = "-c cpu --preset quick --output-filter 4 --lr-schedule cosine-restarts"


def lines(job, options):
    config, said = args.parse("macro", job, f"{SIZE} {options}".split()), []
    dataset = random_dataset(config, 300, 10)
    if job == "retrain":
        image_tasks.retraining_task(config, MACRO, said.append, dataset)
    else:
        image_tasks.search_task(config, MACRO, said.append, dataset)
    return said[1:]  # the first one is about the data


@pytest.mark.parametrize(
    "job, options, words",
    [
        ("retrain", "-r 12", ["99 %", "after 30, 70 or 150 epochs (--epoch-on-retrain)", "--lr-schedule cosine fits any"]),
        ("search", "-i 4 -e 2", ["after 10, 30 or 70 epochs (--max-search-iter times --epoch-per-search)"]),
    ],
)
def test_the_line_names_what_ends_with_a_cycle(job, options, words):
    (line,) = lines(job, options)
    assert all(word in line for word in words), line


@pytest.mark.parametrize(
    "job, options",
    [
        ("retrain", "-r 30"),
        ("retrain", "-r 12 --lr-schedule cosine"),
        ("retrain", "-r 12 --lr-control-on-retrain False"),
        ("search", "-i 5 -e 2"),
        ("search", "-i 4 -e 2 --lr-control-on-search False"),
    ],
)
def test_nothing_is_said_without_need(job, options):
    assert lines(job, options) == []
