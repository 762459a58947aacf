"""Figures of RESULTS.md."""

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure


def new_figure(width, height):
    """An empty figure of so many inches, drawn without a screen."""
    figure = Figure((width, height), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save_figure(figure, file):
    """PNG, the same bytes for the same figure."""
    figure.savefig(file, format="png", metadata={"Software": None})
