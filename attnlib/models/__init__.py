"""Models: forward passes made of the layers. `load` opens them all; each hands back a `Trace`."""

from attnlib.models.pretrained import load
from attnlib.models.trace import Trace

__all__ = ["Trace", "load"]
