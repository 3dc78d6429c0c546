"""The page around a live picture: is it dark?"""

from pathlib import Path

import anywidget
import traitlets

from attnlib.show.sheet import drawn_on


class Page(anywidget.AnyWidget):
    """Shows nothing, says whether the page around it is dark; false until a page has answered."""

    # a path would be watched, and hold every view
    _esm = Path(__file__).with_name("page.js").read_text(encoding="utf-8")
    dark = traitlets.Bool(False).tag(sync=True)

    def paper(self):
        """with page.paper(): what is drawn here fits the page."""
        return drawn_on("dark" if self.dark else None)
