"""What a model hands back: its tokens, every attention weight, and what came out."""

from typing import NamedTuple

import numpy as np


class Trace(NamedTuple):
    """What a model did with one text: its tokens, every attention weight, and what came out.

    An encoder-decoder reads two texts: tokens and weights are those of the source, in the encoder.
    Row i of the decoder's weights and of the output stands for decoder token i, the last one read;
    what is chosen there is token i + 1.

    For a batch of b texts the strings are b lists, the weights (layers, b, heads, n_q, n_k) and the
    output (b, n, …).
    """

    tokens: list  # n strings
    weights: np.ndarray  # (layers, heads, n_q, n_k)
    output: np.ndarray  # (n, vocabulary) logits, or (n, d_model) the last hidden state
    decoder_tokens: list = None  # n_target strings; None for a model without a decoder
    decoder_weights: np.ndarray = None  # (layers, heads, n_target, n_target)
    cross_weights: np.ndarray = None  # (layers, heads, n_target, n_source)


def scored(steps):
    """The logits of a model's steps; ValueError where its file had nothing that scores tokens."""
    if steps.logits is None:
        without = "this file has no head (lm_head.weight), so the model reads and does not write"
        raise ValueError(f"{without}: forward(ids) gives its weights and its last hidden state")
    return steps.logits
