"""Pictures, sliders and source code: arrays and tokens in, something to look at out."""

from attnlib.show.explore import explore, explorer
from attnlib.show.figures import aim, compare, encoding_figure, heads, heatmap, mask_figure, steps, theme
from attnlib.show.labels import most_attended
from attnlib.show.source import show_source

__all__ = [
    "aim", "compare", "encoding_figure", "explore", "explorer", "heads", "heatmap", "mask_figure", "most_attended", "show_source",
    "steps", "theme",
]  # fmt: skip
