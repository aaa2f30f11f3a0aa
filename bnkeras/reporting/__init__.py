"""What every report is made of: figures in one style, and a page that needs nothing else."""

from bnkeras.reporting.figures import (
    COLOURS,
    MARKERS,
    Picture,
    check_matplotlib,
    clear,
    new_figure,
    write_figure,
)
from bnkeras.reporting.page import Page

__all__ = [
    "COLOURS",
    "MARKERS",
    "Page",
    "Picture",
    "check_matplotlib",
    "clear",
    "new_figure",
    "write_figure",
]
