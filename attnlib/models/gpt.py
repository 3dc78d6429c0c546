"""GPT, a decoder-only language model: it reads token ids and scores every possible next one."""

from typing import NamedTuple

import numpy as np

from attnlib import _check
from attnlib.encodings import Learned, Rotary, T5Bias, alibi, sinusoidal
from attnlib.layers import NORMS, DecoderBlock, cast
from attnlib.models import Trace

POSITIONS = ["learned", "sinusoidal", "rotary", "alibi", "t5"]


class GPT:
    """Token embedding + position, n_layers decoder blocks, a last norm, a score per token.

    vocabulary  number of different tokens: ids are 0 … vocabulary - 1
    n_heads     and d_hidden, norm, norm_type, activation …: as in `EncoderBlock`;
                d_hidden=0 and norm=None make an attention-only model
    positions   added to the tokens: "learned" (for at most n_max of them), "sinusoidal";
                turning q and k: "rotary"; added to the scores: "alibi", "t5"; or None.
                a `Learned`, `Rotary` or `T5Bias` of your own becomes a part of the model
    tied        score the next token with the embedding itself (Press and Wolf 2017)
    dtype       of all parameters
    rng         numpy Generator for the untrained weights, default_rng(0) unless given

    Parts: embedding (vocabulary, d_model), positions, blocks, final_norm (behind pre-norm
    blocks), unembedding (d_model, vocabulary), which is None where it is tied.

    Radford et al. 2019, "Language Models are Unsupervised Multitask Learners", section 2.3.
    """

    def __init__(
        self, vocabulary, d_model, n_layers, n_heads, *, n_max=1024, positions="learned",
        norm="pre", norm_type="layer", activation="gelu_tanh", tied=False, dtype=np.float32,
        rng=None, **block,
    ):  # fmt: skip
        vocabulary = _check.integer("vocabulary", vocabulary, minimum=2)
        d_model = _check.integer("d_model", d_model)
        n_layers = _check.integer("n_layers", n_layers)
        if positions is not None and not isinstance(positions, (Learned, Rotary, T5Bias)):
            _check.choice("positions", positions, POSITIONS)
        if np.dtype(dtype).kind != "f":
            raise TypeError(f"dtype must be a float type, as np.float32, got {dtype!r}")
        rng = _check.generator(rng)
        block |= {"norm": norm, "norm_type": norm_type, "activation": activation, "rng": rng}
        self.embedding = rng.normal(0, d_model**-0.5, (vocabulary, d_model))
        if positions == "learned":
            positions = Learned(n_max, d_model, rng)
        elif positions == "rotary":
            positions = Rotary()
        elif positions == "t5":
            positions = T5Bias(n_heads, bidirectional=False)
        if isinstance(positions, Rotary):
            block["rotary"] = positions
        self.positions = positions
        self.blocks = [DecoderBlock(d_model, n_heads, **block) for _ in range(n_layers)]
        self.final_norm = NORMS[norm_type](d_model) if norm == "pre" else None
        self.unembedding = None
        if not tied:
            self.unembedding = rng.normal(0, d_model**-0.5, (d_model, vocabulary))
        cast(self, dtype)

    def forward(self, ids):
        """One text, ids (n,) -> Trace: weights (layers, h, n, n), output (n, vocabulary)."""
        ids = self._checked(ids)
        if ids.ndim != 1:
            raise ValueError(f"ids must have the shape (n,), got {ids.shape}; a batch: logits")
        steps = self.steps(ids)
        weights = np.stack([block.attention.inner.weights for block in steps.blocks])
        return Trace([str(i) for i in ids.tolist()], weights, steps.logits)

    def logits(self, ids):
        """How likely each token comes next: ids (n,) or (b, n) -> (n or b, n, vocabulary)."""
        return self.steps(ids).logits

    def steps(self, ids):
        """The model at work: every array on the way from the ids to the logits."""
        ids = self._checked(ids)                                       # (..., n)
        x = self.embedding[ids] + self._added(ids.shape[-1])           # (..., n, d_model)
        bias = self._bias(ids.shape[-1])                               # (h, n, n) or None
        blocks = []
        for block in self.blocks:
            blocks.append(block.steps(x, bias=bias))
            x = blocks[-1].output
        final = x if self.final_norm is None else self.final_norm(x)
        unembedding = self.embedding.T if self.unembedding is None else self.unembedding
        return GPTSteps(ids, bias, blocks, x, final, final @ unembedding)

    def _added(self, n):
        """What is added to tokens 0 … n-1: (n, d_model), or 0."""
        if isinstance(self.positions, Learned):
            return self.positions(n)
        if self.positions == "sinusoidal":
            return sinusoidal(n, self.embedding.shape[1]).astype(self.embedding.dtype)
        return self.embedding.dtype.type(0)

    def _bias(self, n):
        """What is added to the scores of every layer: (h, n, n), or None."""
        if isinstance(self.positions, T5Bias):
            return self.positions(n)
        if self.positions == "alibi":
            n_heads = self.blocks[0].attention.n_heads
            return alibi(n_heads, n).astype(self.embedding.dtype)
        return None

    def _checked(self, ids):
        """ids as an array of whole numbers below the size of the vocabulary, (n,) or (b, n)."""
        try:
            ids, vocabulary = np.asarray(ids), len(self.embedding)
        except ValueError:
            raise ValueError("ids must be an array, with rows of the same length") from None
        if ids.ndim not in (1, 2) or ids.size == 0:
            raise ValueError(f"ids must have the shape (n,) or (b, n), got {ids.shape}")
        if ids.dtype.kind not in "iu":
            raise TypeError(f"ids must be whole numbers, got an array of {ids.dtype}")
        if ids.min() < 0 or ids.max() >= vocabulary:
            found = f"got {ids.min()} to {ids.max()}"
            raise ValueError(f"ids must lie between 0 and {vocabulary - 1}, {found}")
        return ids


class GPTSteps(NamedTuple):
    """What the model computes, in this order; a backward pass reads it."""

    ids: np.ndarray         # (..., n)
    bias: np.ndarray        # (h, n, n) of alibi or t5, else None
    blocks: list            # the BlockSteps of each layer
    stream: np.ndarray      # (..., n, d_model) behind the last block
    final: np.ndarray       # (..., n, d_model) the same behind the last norm
    logits: np.ndarray      # (..., n, vocabulary)
