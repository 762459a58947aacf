import pytest

from wording import percent, percent_left


@pytest.mark.parametrize("share, shown", [(0, "0.00 %"), (1, "100.00 %"), (0.98765, "98.77 %"), (1 / 3, "33.33 %")])
def test_a_share_has_two_decimals(share, shown):
    assert percent(share) == shown


def test_what_a_file_keeps_is_shown_as_what_was_measured():
    """3,000 images: some accuracies lie where two decimals end, and the six digits in a file on the other side of it."""
    shares = [right / images for images in (3000, 7000, 99_999) for right in range(images + 1)]
    assert [percent(share) for share in shares] == [percent(float(f"{share:.6g}")) for share in shares]


def test_accuracy_and_error_add_up():
    for right in range(8001):
        accuracy, error = percent(right / 8000), percent_left(right / 8000)
        assert round(100 * float(accuracy[:-2])) + round(100 * float(error[:-2])) == 10_000, (accuracy, error)
