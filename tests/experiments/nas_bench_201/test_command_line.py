import pytest

from errors import UserError
from experiments.nas_bench_201.__main__ import _changes


def test_a_trial_changes_settings():
    assert _changes("{'controller_start': 4, 'tanh_constant': None}") == {"controller_start": 4, "tanh_constant": None}
    assert _changes("{}") == {}


@pytest.mark.parametrize("text", ["{'controler_start': 4}", "controller_start=4", "{'a': __import__('os')}", "4"])
def test_what_is_no_change_is_refused(text):
    with pytest.raises(UserError, match="is no dict of settings such as"):
        _changes(text)
