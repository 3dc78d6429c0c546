"""attnlib: attention from scratch in NumPy, and pictures of it. The package behind the course in
notebooks/.

`attention.py`, `masks.py`, `encodings.py`, `heads.py`, `layers.py`, `efficient.py` are the lesson,
and `measures.py` and `effects.py` ask what a head does; `models/`, `training/`, `show/` stand on
it; `toy.py`, `course/`, `exercises/` and `tools/` run the course.
"""

from typing import TYPE_CHECKING

from attnlib import _moved
from attnlib.attention import (
    attention_scores,
    merge_heads,
    scaled_dot_product_attention,
    softmax,
    split_heads,
)
from attnlib.efficient import flash_attention, local_attention
from attnlib.heads import CrossAttention, KVCache, SelfAttention

__version__ = "0.2.0.dev0"
__all__ = [
    "CrossAttention",
    "KVCache",
    "SelfAttention",
    "attention_scores",
    "flash_attention",
    "load",
    "local_attention",
    "merge_heads",
    "scaled_dot_product_attention",
    "softmax",
    "split_heads",
]

if TYPE_CHECKING:
    import os

    from attnlib.models.text import TextEncoder, TextModel, TextToText
    from attnlib.models.translator import Translator
else:  # an editor would take it for a promise of every name
    __getattr__ = _moved.told_by(__name__)


def load(path_or_name: "str | os.PathLike") -> "TextModel | TextEncoder | TextToText | Translator":
    """A model with trained weights, by one door: `load("tiny-gpt")`, which is shipped,
    `load("minilm")`, which is fetched once, or `load("folder")` with a published checkpoint. All
    names and model types: `attnlib.models.load`, which is the same and is imported only now, for
    attention itself needs no model.
    """
    from attnlib.models import load as open_model

    return open_model(path_or_name)
