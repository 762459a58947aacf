"""Numbers as people read them: the same in the terminal and on every page."""


def percent(share):
    """A share of 0 to 1, as an accuracy: "45.23 %".

    It is rounded to the six digits that the files of a run keep first, so that what is printed from memory and what a page
    reads from them agree.
    """
    return f"{100 * float(f'{share:.6g}'):.2f} %"


def percent_left(share):
    """What is missing to 100 %, as an error: it and `percent` of the same share add up to 100.00 %."""
    return f"{100 - round(100 * float(f'{share:.6g}'), 2):.2f} %"


def figure(name, value):
    """A number and what it is called: "accuracy 12.34 %", all but accuracies with four digits: "loss 1.234"."""
    return f"{name} {percent(value) if name == 'accuracy' else f'{value:.4g}'}"
