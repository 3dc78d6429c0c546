"""The page around a live picture: is it dark? The controls of `explore` have its style there."""

import anywidget
import traitlets

from attnlib.show.live.base import HERE, joined, style
from attnlib.show.sheet import drawn_on


class Page(anywidget.AnyWidget):
    """Shows nothing, says whether the page around it is dark; false until a page has answered."""

    _esm = joined("page")
    _css = style() + (HERE / "page.css").read_text(encoding="utf-8")
    dark = traitlets.Bool(False).tag(sync=True)

    def paper(self):
        """with page.paper(): what is drawn here fits the page."""
        return drawn_on("dark" if self.dark else None)
