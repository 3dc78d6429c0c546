"""Models: forward passes made of the layers. Each one hands back a `Trace`."""

from typing import NamedTuple

import numpy as np


class Trace(NamedTuple):
    """What a model did with one text: its tokens, every attention weight, and what came out."""

    tokens: list            # n strings
    weights: np.ndarray     # (layers, heads, n_q, n_k)
    output: np.ndarray      # (n, vocabulary) logits, or (n, d_model) the last hidden state
