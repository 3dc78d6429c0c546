"""Models: forward passes made of the layers. `load`, also as `attnlib.load`, opens them all; each
hands back a `Trace`. `files/` reads what is published.
"""

from attnlib.models.pretrained import load
from attnlib.models.trace import Trace

__all__ = ["Trace", "load"]
