"""Pictures, sliders and source code: arrays and tokens in, something to look at out. What is
handled stands in `live/`; no picture knows a model.
"""

from typing import TYPE_CHECKING

from attnlib import _moved
from attnlib.show.arrows import aim, choice, encoding_figure
from attnlib.show.atlas import measure_figure, mosaic
from attnlib.show.clocks import clocks
from attnlib.show.curves import beside, curves
from attnlib.show.figures import compare, heads, heatmap, mask_figure, steps
from attnlib.show.flow import flow, pieces
from attnlib.show.hops import cone, hop_map
from attnlib.show.labels import most_attended
from attnlib.show.live.arrows import Arrows
from attnlib.show.live.atlas import Atlas
from attnlib.show.live.deal import Deal
from attnlib.show.live.desk import Desk
from attnlib.show.live.explore import explore
from attnlib.show.live.linked import CompareView
from attnlib.show.live.machine import Machine
from attnlib.show.live.painter import Painter
from attnlib.show.live.player import Player
from attnlib.show.live.predict import predict
from attnlib.show.live.threads import Threads
from attnlib.show.live.view import AttentionView
from attnlib.show.live.walks import Walks
from attnlib.show.pareto import panels, pareto
from attnlib.show.patches import patches
from attnlib.show.rows import rows
from attnlib.show.running import running
from attnlib.show.scatter import scatter
from attnlib.show.shaded import shaded
from attnlib.show.sheet import theme
from attnlib.show.source import show_source
from attnlib.show.stacked import stacked
from attnlib.show.stream import stream
from attnlib.show.stripes import stripes
from attnlib.show.threads import threads
from attnlib.show.words import words
from attnlib.show.written import written

__all__ = [
    "Arrows",
    "Atlas",
    "AttentionView",
    "CompareView",
    "Deal",
    "Desk",
    "Machine",
    "Painter",
    "Player",
    "Threads",
    "Walks",
    "aim",
    "beside",
    "choice",
    "clocks",
    "compare",
    "cone",
    "curves",
    "encoding_figure",
    "explore",
    "flow",
    "heads",
    "heatmap",
    "hop_map",
    "mask_figure",
    "measure_figure",
    "mosaic",
    "most_attended",
    "panels",
    "pareto",
    "patches",
    "pieces",
    "predict",
    "rows",
    "running",
    "scatter",
    "shaded",
    "show_source",
    "stacked",
    "steps",
    "stream",
    "stripes",
    "theme",
    "threads",
    "words",
    "written",
]

if not TYPE_CHECKING:  # an editor would take it for a promise of every name
    __getattr__ = _moved.told_by(__name__)
