"""The page around a live picture: is it dark?"""

import anywidget
import traitlets

from attnlib.show.live.base import joined
from attnlib.show.sheet import drawn_on


class Page(anywidget.AnyWidget):
    """Shows nothing, says whether the page around it is dark; false until a page has answered."""

    _esm = joined("page")
    dark = traitlets.Bool(False).tag(sync=True)

    def paper(self):
        """with page.paper(): what is drawn here fits the page."""
        return drawn_on("dark" if self.dark else None)
