import numpy as np
import pytest

from errors import UserError
from search_spaces.macro import (
    AUTHORS_OPERATIONS,
    MAX_LAYERS,
    OPERATIONS,
    PUBLISHED,
    MacroArchitecture,
    MacroSpace,
    reduction_layers,
)

SMALL = MacroArchitecture(
    ("sepconv3x3", "max_pool3x3", "conv5x5", "average_pool3x3"), ((), (1,), (0, 1), (1, 0, 1))
)


def test_npy_numbers_follow_the_nnabla_example():
    assert SMALL.to_numbers().tolist() == [2, 4, 1, 1, 0, 1, 5, 1, 0, 1]
    assert SMALL.to_numbers().dtype == np.int64


def test_text_numbers_follow_the_authors():
    assert SMALL.to_text() == "1 5 1 2 0 1 4 1 0 1"


@pytest.mark.parametrize("number, npy_name, text_name", [
    (0, "conv3x3", "conv3x3"),
    (1, "conv5x5", "sepconv3x3"),
    (2, "sepconv3x3", "conv5x5"),
    (3, "sepconv5x5", "sepconv5x5"),
    (4, "max_pool3x3", "average_pool3x3"),
    (5, "average_pool3x3", "max_pool3x3"),
])
def test_one_number_has_two_meanings(number, npy_name, text_name):
    assert MacroArchitecture.from_numbers([number, 0, 0, 0, 0, 0]).operations[0] == npy_name
    assert MacroArchitecture.from_text(f"{number} 0 0 0 0 0").operations[0] == text_name


def test_both_numberings_name_the_same_operations():
    assert set(OPERATIONS) == set(AUTHORS_OPERATIONS)
    assert len(OPERATIONS) == len(AUTHORS_OPERATIONS) == 6


def test_published_network():
    published = PUBLISHED["enas"]
    assert published.num_layers == 24
    assert published.operations[:5] == ("conv3x3", "sepconv5x5", "conv3x3", "conv5x5", "conv5x5")
    assert published.added_tensors(7) == ("layer 0", "layer 1", "layer 3", "layer 4", "layer 5")
    assert published.to_text().startswith("0 3 0 0 1 0 2 0 0 1 2 0 0 0 0 3 1 1 0 1 0 2 ")
    assert published.to_text().endswith(" 0 1 1 0 0 0 1 1 1 0 1 0 0 0 1 0 1 0 0 1 1 0 0 0")
    assert len(published.to_text().split()) == published.to_numbers().size == 300
    assert published.to_numbers()[:10].tolist() == [0, 3, 0, 0, 1, 0, 1, 0, 0, 1]  # conv5x5: 2 in the string


def test_published_network_survives_every_form():
    published = PUBLISHED["enas"]
    assert MacroArchitecture.from_text(published.to_text()) == published
    assert MacroArchitecture.from_numbers(published.to_numbers()) == published
    assert MacroArchitecture.from_json(published.to_json()) == published


def test_bars_and_line_breaks_are_blanks():
    assert MacroArchitecture.from_text("1 | 5 1|\n2 0 1\r\n| 4\t1 0 1 |\n") == SMALL


@pytest.mark.parametrize("num_layers", [3, 4, 12, 25])
def test_random_architectures_survive_every_form(num_layers):
    rng = np.random.default_rng(num_layers)
    for _ in range(20):
        architecture = MacroSpace(num_layers).random(rng)
        assert MacroArchitecture.from_text(architecture.to_text()) == architecture
        assert MacroArchitecture.from_numbers(architecture.to_numbers()) == architecture
        assert MacroArchitecture.from_json(architecture.to_json()) == architecture


def test_json_holds_names():
    assert SMALL.to_json() == {
        "format": 1,
        "space": "macro",
        "layers": [
            {"operation": "sepconv3x3", "skips": []},
            {"operation": "max_pool3x3", "skips": ["stem"]},
            {"operation": "conv5x5", "skips": ["layer 0"]},
            {"operation": "average_pool3x3", "skips": ["stem", "layer 1"]},
        ],
    }


def test_description():
    assert SMALL.describe().splitlines() == [
        "macro network of 4 layers",
        "layer 0: sepconv3x3",
        "-- height and width halve --",
        "layer 1: max_pool3x3 + stem",
        "-- height and width halve --",
        "layer 2: conv5x5 + layer 0",
        "layer 3: average_pool3x3 + stem, layer 1",
    ]


def test_description_of_the_published_network():
    lines = PUBLISHED["enas"].describe().splitlines()
    assert lines[3] == "layer 2: conv3x3 + stem"
    assert lines[9] == lines[18] == "-- height and width halve --"
    assert lines[8].startswith("layer 7: ") and lines[17].startswith("layer 15: ")


@pytest.mark.parametrize("num_layers, expected", [(3, (0, 1)), (5, (0, 1)), (12, (3, 7)), (24, (7, 15))])
def test_reduction_layers(num_layers, expected):
    assert reduction_layers(num_layers) == expected


def test_architectures_are_hashable_values():
    assert len({SMALL, MacroArchitecture.from_text(SMALL.to_text()), PUBLISHED["enas"]}) == 2


CONV = "conv3x3"
WRONG = [
    (lambda: MacroArchitecture((CONV,) * 2, ((), (0,))), ["number of layers is 2", "3"]),
    (lambda: MacroArchitecture((CONV,) * 3, ((), (0,))), ["2 rows", "3"]),
    (lambda: MacroArchitecture((CONV,) * 3, ((), (0,), (0,))), ["layer 2 has 1 skip bits", "expected 2"]),
    (lambda: MacroArchitecture((CONV,) * 3, ((), (2,), (0, 0))), ["skip bit of layer 1 is 2", "0 to 1"]),
    (lambda: MacroArchitecture((CONV,) * 3, ((), (True,), (0, 0))), ["layer 1 is True", "whole number"]),
    (lambda: MacroArchitecture((CONV, "conv7x7", CONV), ((), (0,), (0, 0))), ["layer 1 is 'conv7x7'", CONV]),
    (lambda: MacroArchitecture.from_numbers([0, 0, 0, 6, 0, 0]), ["layer 2 is 6", "0 to 5", "conv5x5"]),
    (lambda: MacroArchitecture.from_numbers([0, -1, 0, 0, 0, 0]), ["layer 1 is -1", "0 to 5"]),
    (lambda: MacroArchitecture.from_numbers([0, 0, -1, 0, 0, 0]), ["skip bit of layer 1 is -1"]),
    (lambda: MacroArchitecture.from_numbers(np.zeros(77, int)), ["77 numbers", "12 layers: 78"]),
    (lambda: MacroArchitecture.from_numbers([0, 0, 0]), ["3 numbers", "L >= 3"]),
    (lambda: MacroArchitecture.from_numbers(np.zeros(6)), ["float64", "integers"]),
    (lambda: MacroArchitecture.from_numbers(np.zeros(6, bool)), ["bool", "integers"]),
    (lambda: MacroArchitecture.from_numbers(np.zeros((2, 20), int)), ["(2, 20)", "1 dimension"]),
    (lambda: MacroArchitecture.from_text("0 0 0 0 0 -1"), ["number 6 is '-1'", "whole numbers"]),
    (lambda: MacroArchitecture.from_text("0 0 0 0 0 1.0"), ["number 6 is '1.0'"]),
    (lambda: MacroArchitecture.from_text("0 0 0 0 0 nan"), ["number 6 is 'nan'"]),
    (lambda: MacroArchitecture.from_text("0, 0, 0, 0, 0, 0"), ["number 1 is '0,'", "blanks"]),
    (lambda: MacroArchitecture.from_text("0 0 0 0 0 " + "9" * 9999), ["number 6 is '9999", "..."]),
    (lambda: MacroArchitecture.from_text(" | "), ["no numbers"]),
    (lambda: MacroSpace(2), ["number of layers is 2", "from 3"]),
    (lambda: MacroSpace(12.0), ["number of layers is 12.0"]),
    (lambda: MacroSpace(12, 7), ["number of operations is 7", "1 to 6"]),
    (lambda: MacroSpace(12, 0), ["number of operations is 0"]),
    (lambda: MacroSpace(12).contains(PUBLISHED["enas"]), ["24 layers", "expected 12"]),
    (lambda: MacroSpace(4, 4).contains(SMALL), ["layer 1 is 'max_pool3x3'", "sepconv5x5"]),
]


@pytest.mark.parametrize("make, words", WRONG)
def test_errors_say_what_was_found(make, words):
    with pytest.raises(UserError) as caught:
        make()
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_space_contains_what_it_draws():
    rng = np.random.default_rng(0)
    for num_ops in range(1, 7):
        space = MacroSpace(12, num_ops)
        space.contains(space.random(rng))
    MacroSpace(24, 4).contains(PUBLISHED["enas"])


def test_random_is_uniform_and_repeatable():
    space = MacroSpace(12, 4)
    rng = np.random.default_rng(0)
    drawn = [space.random(rng) for _ in range(500)]
    operations = [operation for architecture in drawn for operation in architecture.operations]
    counts = [operations.count(name) / len(operations) for name in OPERATIONS]
    np.testing.assert_allclose(counts, [0.25] * 4 + [0] * 2, atol=0.03)
    bits = np.array([sum(architecture.skips, ()) for architecture in drawn])
    np.testing.assert_allclose(bits.mean(axis=0), 0.5, atol=0.1)
    assert drawn[0] == space.random(np.random.default_rng(0))


def test_the_largest_network_is_the_limit():
    assert MacroSpace(MAX_LAYERS).num_layers == MAX_LAYERS
    with pytest.raises(UserError, match="number of layers"):
        MacroSpace(MAX_LAYERS + 1)


@pytest.mark.parametrize("share", [0.0, 0.2, 0.5, 1.0])
def test_chance_draws_as_many_skip_connections_as_it_is_told(share):
    rng, space = np.random.default_rng(0), MacroSpace(12, skip_prob=share)
    bits = np.concatenate([np.concatenate(space.random(rng).skips) for _ in range(100)])
    assert abs(bits.mean() - share) <= 0.02 * (0 < share < 1)
