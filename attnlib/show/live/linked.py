"""Views that share a pinned cell: two heat maps and their difference."""

import ipywidgets as widgets
import numpy as np

from attnlib import _check
from attnlib.show import figures
from attnlib.show.brought import brought
from attnlib.show.live import rerun
from attnlib.show.live.view import AttentionView

HINT = "Click a cell, or use the arrow keys: what is chosen in one is chosen in all."


class CompareView(widgets.Box):
    """Two arrays of weights side by side, and b - a in two-sided colours. What is chosen in one is
    chosen in all.

    a, b     (n_q, n_k) or (heads, n_q, n_k), of the same shape
    titles   names of the two
    mask     boolean, one for both, or a pair
    batch    the text that is meant, where a and b are those of several
    """

    @_check.door(titles=_check.pair)
    def __init__(
        self, a, b, tokens=None, *, titles=("a", "b"), key_tokens=None, mask=None, batch=None
    ):
        masks = mask if isinstance(mask, tuple) else (mask, mask)
        a, tokens, key_tokens, first = brought(
            a, tokens, key_tokens, masks[0], batch=batch, name="a"
        )
        b, _, _, second = brought(b, mask=masks[1], batch=batch, name="b")
        masks = first, second
        if a.shape != b.shape:
            raise ValueError(f"a and b must have the same shape, got {a.shape} and {b.shape}")
        either = None if first is None or second is None else first | second
        shared = {"key_tokens": key_tokens, "compact": True}
        self.views = (
            AttentionView(a, tokens, mask=masks[0], title=titles[0], **shared),
            AttentionView(b, tokens, mask=masks[1], title=titles[1], **shared),
            AttentionView(
                b - a,
                tokens,
                mask=either,
                title=f"{titles[1]} − {titles[0]}",
                signed=True,
                **shared,
            ),
        )
        first, *others = self.views
        for view in self.views:
            view.layout.width = "306px"  # three to a row, where there is room
            view._hint = "names" if view is first else ""  # once is enough
        self.links = [
            widgets.jslink((first, name), (other, name))
            for other in others
            for name in ("pinned", "pins", "head", "layer")
        ]
        layout = widgets.Layout(display="flex", flex_flow="row wrap", grid_gap="0 2px")
        hint = widgets.HTML(HINT, layout=widgets.Layout(width="100%", margin="0 6px"))
        super().__init__([*self.views, hint], layout=layout)
        rerun.replaces(self)
        self._still = {
            "tokens": first.tokens,
            "key_tokens": first.key_tokens,
            "titles": titles,
            "masks": masks,
        }

    @property
    def pinned(self):
        """The cell that the reader has pinned, [query, key] or None."""
        return self.views[0].pinned

    def figure(self):
        """The still picture, of the chosen head."""
        first, second, _ = self.views
        head = (first.layer, first.head)
        masks = tuple(
            None if m is None else np.broadcast_to(m, first.array.shape)[head]
            for m in self._still["masks"]
        )
        names = {name: self._still[name] for name in ("tokens", "key_tokens", "titles")}
        return figures.compare(first.array[head], second.array[head], mask=masks, **names)

    def _repr_mimebundle_(self, **how):
        return _with_still(super()._repr_mimebundle_(**how), self.figure())


def _with_still(bundle, figure):
    """A widget's MIME bundle with a still picture and its description beside the live view."""
    live, metadata = bundle if isinstance(bundle, tuple) else (bundle, {})
    still, alt = figure._repr_mimebundle_()
    return live | still, metadata | alt
