"""GPT, a decoder-only language model: it reads token ids and scores every possible next one."""

from typing import NamedTuple

import numpy as np

from attnlib import _check, _guard
from attnlib.encodings import Learned, positions_maker
from attnlib.heads import KVCache, all_or_nothing, n_held
from attnlib.layers import DecoderBlock, cast, norm_maker
from attnlib.models.trace import Trace, mask_of, scored

POSITIONS = ["learned", "sinusoidal", "rotary", "alibi", "t5"]


class GPT:
    """Token embedding + position, n_layers decoder blocks, a last norm, a score per token.

    vocabulary  number of different tokens: ids are 0 … vocabulary - 1
    n_heads     and d_hidden, norm, norm_type, activation …: as in `EncoderBlock`;
                d_hidden=0 and norm=None make an attention-only model
    positions   added to the tokens: "learned" (for at most n_max of them), "sinusoidal";
                turning q and k: "rotary"; added to the scores: "alibi", "t5"; or None.
                an `encodings.Positions` of your own becomes a part of the model, itself and
                not a copy, its arrays cast to `dtype`: it is asked what it adds to the tokens,
                how it turns q and k, what it adds to the scores
    tied        score the next token with the embedding itself (Press and Wolf 2017)
    dtype       of all parameters
    rng         numpy Generator for the untrained weights, default_rng(0) unless given

    Parts: embedding (vocabulary, d_model), positions, blocks, final_norm (behind pre-norm
    blocks), unembedding (d_model, vocabulary), which is None where it is tied.

    Radford et al. 2019, "Language Models are Unsupervised Multitask Learners", section 2.3.
    """

    make_block = DecoderBlock
    headless = False  # a published file may lack what scores the tokens: then there are no logits

    def __init__(
        self,
        vocabulary,
        d_model,
        n_layers,
        n_heads,
        *,
        n_max=1024,
        positions="learned",
        norm="pre",
        norm_type="layer",
        activation="gelu_tanh",
        tied=False,
        dtype=np.float32,
        rng=None,
        **block,
    ):
        vocabulary = _check.integer("vocabulary", vocabulary, minimum=2)
        d_model = _check.integer("d_model", d_model)
        n_layers = _check.integer("n_layers", n_layers, maximum=10_000)
        dtype, tied = _check.float_type("dtype", dtype), _check.flag("tied", tied)
        rng = _check.generator(rng)
        sizes = {"n_max": n_max, "d_model": d_model, "n_heads": n_heads, "rng": rng}
        make_positions = positions_maker(positions, POSITIONS, own=True, **sizes)
        block |= {"norm": norm, "norm_type": norm_type, "activation": activation, "rng": rng}
        self.embedding = rng.normal(0, d_model**-0.5, (vocabulary, d_model))
        self.positions = make_positions()
        if self.positions.turns:
            block["rotary"] = self.positions
        self.blocks = [self.make_block(d_model, n_heads, **block) for _ in range(n_layers)]
        self.final_norm = (
            norm_maker(norm_type, block.get("eps"))(d_model) if norm == "pre" else None
        )
        self.unembedding = None
        if not tied:
            self.unembedding = rng.normal(0, d_model**-0.5, (d_model, vocabulary))
        cast(self, dtype)

    def forward(self, ids, *, mask=None, positions=None, caches=None):
        """One text, ids (n,) -> Trace: weights (layers, h, n, n_k), output (n, vocabulary).

        mask, positions, caches   as in `logits`
        """
        ids = _check.ids("ids", ids, len(self.embedding))
        if ids.ndim != 1:
            raise ValueError(f"ids must have the shape (n,), got {ids.shape}; a batch: logits")
        steps = self.steps(ids, mask=mask, positions=positions, caches=caches)
        names = [str(i) for i in ids.tolist()]
        return Trace(names, steps.weights, steps.output, mask=steps.mask)

    def logits(self, ids, *, mask=None, positions=None, caches=None):
        """How likely each token comes next: ids (n,) or (b, n) -> (n or b, n, vocabulary).

        mask       boolean, True = may attend, broadcasts to (b, h, n, n_k); the future stays
                   hidden whatever it says. n_k is n, or the tokens in the caches and these.
                   That of a padded batch, (b, n_k), is mask[:, None, None, :] here: with b = n_k
                   nobody could tell its rows from queries
        positions  where the tokens are, whole numbers (n,) or (b, n): 0 … n-1 unless given, or
                   the n places behind those in the caches; with padding on the left, that is where
                   a mask (b, 1, …, n_k) hides the first tokens of a row from all, they count from
                   the first that is seen. What is added to the scores counts the steps between
                   tokens in the row, and does not read them.
        caches     of the tokens before these, as `caches()` makes them: the layers add these
                   tokens to them. After an error they are as they were before.
        """
        return scored(self.padded_steps(ids, mask=mask, positions=positions, caches=caches))

    def padded_steps(self, ids, *, mask=None, positions=None, caches=None):
        """`steps` for a batch as it is brought: its positions count behind the padding."""
        ids = _check.ids("ids", ids, len(self.embedding))
        mask = _guard.batch_mask(mask, ids.shape)
        if positions is None:
            positions = behind_padding(mask, ids.shape)
        return self.steps(ids, mask=mask, positions=positions, caches=caches)

    def steps(self, ids, *, mask=None, positions=None, caches=None):
        """The model at work: every array on the way from the ids to the logits."""
        ids, caches = _check.ids("ids", ids, len(self.embedding)), self._checked_caches(caches)
        n, held = ids.shape[-1], n_held(caches[0])
        positions = self._checked_positions(positions, ids.shape)
        x = self.positions.onto(self.embedded(ids), held, positions)  # (..., n, d_model)
        bias, blocks = self._bias(n, held + n), []  # (h, n, n_k) or None
        with all_or_nothing(*caches):
            for block, cache in zip(self.blocks, caches):
                options = {"mask": mask, "bias": bias, "cache": cache, "positions": positions}
                blocks.append(block.steps(x, **options))
                x = blocks[-1].output
            final = x if self.final_norm is None else self.final_norm(x)
            logits = self.scores(final)  # (..., n, vocabulary)
        return GPTSteps(ids, bias, blocks, x, final, logits)

    def embedded(self, ids):
        """Each token's row of the embedding: (..., n, d_model)"""
        return self.embedding[ids]

    def scores(self, final):
        """How well each token of the vocabulary fits what came out: (..., n, vocabulary)"""
        if self.headless:
            return None
        return final @ (self.embedding.T if self.unembedding is None else self.unembedding)

    def caches(self):
        """An empty `KVCache` for each layer, to read a text bit by bit."""
        return [KVCache() for _ in self.blocks]

    @property
    def n_max(self):
        """How many tokens a text may have: the rows of a learned table, else None for no end."""
        return self.positions.n_max

    def _bias(self, n, n_k):
        """What is added to the scores of every layer: (h, n, n_k), or None."""
        bias = self.positions.bias(n, n_k)
        return None if bias is None else np.asarray(bias, self.embedding.dtype)

    def _checked_caches(self, caches):
        """One KVCache per layer, all of the same length, or None for each."""
        if caches is None:
            return [None] * len(self.blocks)
        if not isinstance(caches, (list, tuple)) or len(caches) != len(self.blocks):
            wanted = f"a list of {len(self.blocks)} KVCaches, one per layer, as caches() makes it"
            found = len(caches) if isinstance(caches, (list, tuple)) else type(caches).__name__
            raise ValueError(f"caches must be {wanted}, got {found}")
        if not all(cache is None or isinstance(cache, KVCache) for cache in caches):
            raise TypeError(f"caches must be KVCaches, got {_check.short(caches)}")
        lengths = [n_held(cache) for cache in caches]
        if None in caches or len(set(lengths)) > 1:
            raise ValueError(f"caches must all hold the same tokens, got the lengths {lengths}")
        return caches

    def _checked_positions(self, positions, shape):
        """positions as an array of whole numbers, (n,) or (b, n), each below n_max."""
        if positions is None:
            return None
        positions = _check.array("positions", positions)
        if positions.dtype.kind not in "iu":
            raise TypeError(f"positions must be whole numbers, got an array of {positions.dtype}")
        if positions.shape not in (shape, shape[-1:]):
            raise ValueError(f"positions must have the shape {shape}, got {positions.shape}")
        if positions.min() < 0:
            raise ValueError(f"positions must be at least 0, got {positions.min()}")
        if self.n_max is not None and positions.max() >= self.n_max:
            last = f"the last that {type(self.positions).__name__} takes"
            if isinstance(self.positions, Learned) and len(self.positions.table) == self.n_max:
                last = "the last row of the learned table"
            wanted = f"at most {self.n_max - 1}, {last}"
            raise ValueError(f"positions must be {wanted}, got {positions.max()}")
        return positions


def behind_padding(mask, shape):
    """Where the tokens of a batch (b, n) are, if its mask hides the first ones of a row from every
    query, itself included: counted from the first token that is seen. (b, n), or None.
    """
    if mask is None or len(shape) != 2 or mask.ndim != 4 or len(mask) != shape[0]:
        return None
    unseen = ~mask.any(axis=(1, 2))  # (b, n_k)
    padding = np.logical_and.accumulate(unseen, axis=-1).sum(axis=-1, keepdims=True)  # (b, 1)
    n, n_k = shape[1], mask.shape[-1]
    if not padding.any() or n_k < n:
        return None
    return np.maximum(np.arange(n_k - n, n_k) - padding, 0)


class GPTSteps(NamedTuple):
    """What the model computes, in this order; a backward pass reads it."""

    ids: np.ndarray  # (..., n)
    bias: np.ndarray  # (h, n, n_k) what the positions add to the scores, or None
    blocks: list  # the BlockSteps of each layer
    stream: np.ndarray  # (..., n, d_model) behind the last block
    final: np.ndarray  # (..., n, d_model) the same behind the last norm
    logits: np.ndarray  # (..., n, vocabulary), or None for a model without a head

    @property
    def output(self):
        """The logits, or without a head the last hidden state."""
        return self.final if self.logits is None else self.logits

    @property
    def weights(self):
        """The attention weights of all layers, (layers, ..., h, n, n_k)."""
        return np.stack([block.attention.inner.weights for block in self.blocks])

    @property
    def mask(self):
        """Who could look at whom, as a `Trace` has it."""
        return mask_of(self.blocks)
