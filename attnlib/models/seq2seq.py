"""Seq2Seq, an encoder-decoder: it reads a source text and scores each next token of a target.

What writes the target with it: decoding.py. What turns strings into ids and back: translator.py.
"""

from typing import NamedTuple

import numpy as np

from attnlib import _check
from attnlib.encodings import positions_maker
from attnlib.heads import KVCache, all_or_nothing, n_held
from attnlib.layers import CrossDecoderBlock, EncoderBlock, LayerCache, cast, norm_maker
from attnlib.models.trace import Trace, scored

POSITIONS = ["learned", "sinusoidal"]


class Seq2Seq:
    """An encoder reads the source; a decoder scores every possible next token of the target.

    source_vocabulary, target_vocabulary   numbers of different tokens
    n_layers    blocks in the encoder, and in the decoder unless n_decoder_layers is given
    n_heads     and d_hidden, norm_type, activation …: as in `EncoderBlock`
    n_max       how many tokens a source or a target may have, None for no end
    positions   added to the tokens: "sinusoidal", "learned", or None
    norm        "pre", "post" or None
    dtype       of all parameters
    rng         numpy Generator for the untrained weights, default_rng(0) unless given

    Parts: source_embedding, target_embedding (vocabulary, d_model), source_positions,
    target_positions, encoder and decoder (lists of blocks), encoder_norm and decoder_norm (behind
    pre-norm blocks), unembedding (d_model, target_vocabulary), None where a file has none.

    Vaswani et al. 2017, "Attention Is All You Need", figure 1.
    """

    layout = "interleaved"  # of sinusoidal positions

    def __init__(
        self,
        source_vocabulary,
        target_vocabulary,
        d_model,
        n_layers,
        n_heads,
        *,
        n_decoder_layers=None,
        n_max=64,
        positions="sinusoidal",
        norm="pre",
        norm_type="layer",
        activation="relu",
        dtype=np.float32,
        rng=None,
        **block,
    ):
        sizes = {"source_vocabulary": source_vocabulary, "target_vocabulary": target_vocabulary}
        sizes = [_check.integer(name, size, minimum=2) for name, size in sizes.items()]
        d_model, n_layers = (
            _check.integer("d_model", d_model),
            _check.integer("n_layers", n_layers, maximum=10_000),
        )
        n_decoder_layers = n_layers if n_decoder_layers is None else n_decoder_layers
        n_decoder_layers = _check.integer("n_decoder_layers", n_decoder_layers)
        self.n_max = None if n_max is None else _check.integer("n_max", n_max)
        dtype = _check.float_type("dtype", dtype)
        rng = _check.generator(rng)
        widths = {"n_max": n_max, "d_model": d_model, "n_heads": n_heads, "rng": rng}
        make_positions = positions_maker(positions, POSITIONS, layout=self.layout, **widths)
        block |= {"norm": norm, "norm_type": norm_type, "activation": activation, "rng": rng}
        self.source_embedding, self.target_embedding = (
            rng.normal(0, d_model**-0.5, (n, d_model)) for n in sizes
        )
        self.source_positions, self.target_positions = (make_positions() for _ in sizes)
        self.encoder = [EncoderBlock(d_model, n_heads, **block) for _ in range(n_layers)]
        self.decoder = [
            CrossDecoderBlock(d_model, n_heads, **block) for _ in range(n_decoder_layers)
        ]
        make_norm = norm_maker(norm_type, block.get("eps"))
        self.encoder_norm = make_norm(d_model) if norm == "pre" else None
        self.decoder_norm = make_norm(d_model) if norm == "pre" else None
        self.unembedding = rng.normal(0, d_model**-0.5, (d_model, sizes[1]))
        cast(self, dtype)

    def forward(self, ids, decoder_ids):
        """One source, ids (n_source,), and one target, (n_target,) -> Trace.

        Its output is (n_target, target_vocabulary): row i scores what comes behind decoder id i.
        """
        ids, decoder_ids = _check.array("ids", ids), _check.array("decoder_ids", decoder_ids)
        if ids.ndim != 1 or decoder_ids.ndim != 1:
            shapes = f"got {ids.shape} and {decoder_ids.shape}; batches: logits"
            raise ValueError(
                f"ids and decoder_ids must have the shapes (n_source,), (n_target,), {shapes}"
            )
        steps = self.steps(ids, decoder_ids)
        weights = [
            np.stack([block.attention.inner.weights for block in blocks])
            for blocks in (steps.encoder, steps.decoder)
        ]
        cross = np.stack([block.cross_attention.inner.weights for block in steps.decoder])
        names = [[str(i) for i in row.tolist()] for row in (steps.ids, steps.decoder_ids)]
        return Trace(names[0], weights[0], steps.output, names[1], weights[1], cross)

    def encode(self, ids, *, mask=None):
        """What the decoder looks at: ids (n_source,) or (b, n_source) -> (..., n_source, d_model).

        mask   boolean, of the shape of ids: False on padding, which nobody looks at
        """
        ids = _check.ids("ids", ids, len(self.source_embedding))
        return self.read(ids, _check.padding_mask("mask", mask, ids.shape))[-1]

    def logits(self, ids, decoder_ids, *, source_mask=None, caches=None):
        """How likely each token comes next in the target: (..., n_target, target_vocabulary).

        ids          (n_source,) or (b, n_source)
        decoder_ids  (n_target,) or (b, n_target). All rows are computed at once, and none sees a
                     later token: in training, where the right target is known, one pass teaches
                     every step of it (teacher forcing: Williams and Zipser 1989)
        source_mask  boolean, of the shape of ids: False on padding. With caches give it each time
        caches       as `caches()` makes them: decoder_ids are then only the new tokens. The first
                     call encodes the source and projects it to keys and values; later ones read
                     those, and ids may be None. After an error they are as they were before.
        """
        return scored(self.steps(ids, decoder_ids, source_mask=source_mask, caches=caches))

    def steps(self, ids, decoder_ids, *, source_mask=None, caches=None):
        """The model at work: every array on the way from the ids to the logits."""
        caches = self._checked_caches(caches)
        decoder_ids = _check.ids("decoder_ids", decoder_ids, len(self.target_embedding))
        ids, mask = self._checked_source(ids, decoder_ids, source_mask, caches[0])
        encoder, source_stream, context = [], None, None
        if ids is not None:
            encoder, source_stream, context = self.read(ids, mask)
        held = n_held(caches[0].own)
        x, n = self.embedded("target", decoder_ids, held), decoder_ids.shape[-1]
        bias, decoder = self.bias("decoder", n, held + n), []
        with all_or_nothing(*(cache for layer in caches for cache in layer)):
            for block, cache in zip(self.decoder, caches):
                decoder.append(block.steps(x, context, context_mask=mask, bias=bias, cache=cache))
                x = decoder[-1].output
            final = x if self.decoder_norm is None else self.decoder_norm(x)
            logits = self.scores(final)  # (..., n_target, vocabulary)
        return Seq2SeqSteps(
            ids, decoder_ids, encoder, source_stream, context, decoder, x, final, logits
        )

    def caches(self):
        """An empty `LayerCache` for each decoder block, to write a target token by token."""
        return [LayerCache(KVCache(), KVCache()) for _ in self.decoder]

    def read(self, ids, mask):
        """The steps of each encoder block, the stream behind the last, and the same normed."""
        x, blocks = self.embedded("source", ids), []
        bias = self.bias("encoder", ids.shape[-1])
        for block in self.encoder:
            blocks.append(block.steps(x, mask=mask, bias=bias))
            x = blocks[-1].output
        return blocks, x, x if self.encoder_norm is None else self.encoder_norm(x)

    def embedded(self, side, ids, held=0):
        """Each token's row of the embedding plus that of its place: (..., n, d_model)

        side   "source" or "target"
        held   how many tokens come before these
        """
        return self.placed(side, getattr(self, f"{side}_embedding")[ids], held)

    def placed(self, side, rows, held):
        """Embedded tokens behind those held, with what their places add: (..., n, d_model)"""
        n = held + rows.shape[-2]
        if self.n_max is not None and n > self.n_max:
            raise ValueError(f"a text may have {self.n_max} tokens here, got {n}")
        return getattr(self, f"{side}_positions").onto(rows, held)

    def bias(self, side, n, n_k=None):
        """What is added to the scores of the "encoder" or "decoder": nothing here."""
        return None

    def scores(self, final):
        """How well each token of the vocabulary fits what came out: (..., n_target, vocabulary)"""
        return None if self.unembedding is None else final @ self.unembedding

    def _checked_source(self, ids, decoder_ids, source_mask, cache):
        """ids, None where the cache has the source already, and the mask for the weights."""
        source = cache.source.k if n_held(cache.source) else None  # (..., h, n_source, d_head)
        if source is None:
            ids = _check.ids("ids", ids, len(self.source_embedding))
            shape = ids.shape
        else:
            ids, shape = None, (*source.shape[:-3], source.shape[-2])
        if shape[:-1] != decoder_ids.shape[:-1]:
            found = f"got {shape} and {decoder_ids.shape}"
            raise ValueError(
                f"ids and decoder_ids must be one text each, or as many rows each, {found}"
            )
        return ids, _check.padding_mask("source_mask", source_mask, shape)

    def _checked_caches(self, caches):
        """One LayerCache per decoder block, all of the same lengths, or empty-handed ones."""
        if caches is None:
            return [LayerCache(None, None)] * len(self.decoder)
        if not isinstance(caches, (list, tuple)) or len(caches) != len(self.decoder):
            wanted = (
                f"a list of {len(self.decoder)} LayerCaches, one per block, as caches() makes it"
            )
            found = len(caches) if isinstance(caches, (list, tuple)) else type(caches).__name__
            raise ValueError(f"caches must be {wanted}, got {found}")
        lengths = [(n_held(cache.own), n_held(cache.source)) for cache in caches]
        if len(set(lengths)) > 1 or (0 in lengths[0] and lengths[0] != (0, 0)):
            raise ValueError(f"caches must all hold the same tokens, got the lengths {lengths}")
        return caches


class Seq2SeqSteps(NamedTuple):
    """What the model computes, in this order; a backward pass reads it.

    Where caches held the source, ids, source_stream and context are None, and encoder is empty.
    """

    ids: np.ndarray  # (..., n_source)
    decoder_ids: np.ndarray  # (..., n_target)
    encoder: list  # the BlockSteps of each layer
    source_stream: np.ndarray  # (..., n_source, d_model) behind the last encoder block
    context: np.ndarray  # (..., n_source, d_model) the same behind the norm
    decoder: list  # the CrossBlockSteps of each layer
    target_stream: np.ndarray  # (..., n_target, d_model) behind the last decoder block
    final: np.ndarray  # (..., n_target, d_model) the same behind the norm
    logits: np.ndarray  # (..., n_target, target_vocabulary), or None without an unembedding

    @property
    def output(self):
        """The logits, or without an unembedding the last hidden state."""
        return self.final if self.logits is None else self.logits


def without_decoder(model):
    """The same `Seq2Seq` with its encoder alone."""
    model.decoder = []
    for name in vars(model):
        if name.startswith(("target_", "decoder_", "unembedding", "logits_bias")):
            setattr(model, name, None)
    return model


class Encoder:
    """The encoder of a `Seq2Seq` alone, without its decoder: it reads, as a BERT does."""

    def __init__(self, inner):
        self.inner = inner

    @property
    def n_max(self):
        """How many tokens a text may have, None for no end."""
        return self.inner.n_max

    def forward(self, ids, *, mask=None):
        """ids (n,) or (b, n) -> Trace: weights (layers, ..., h, n, n), output (..., n, d_model).

        mask   boolean, True = may attend, broadcasts to (b, h, n, n); for a padded batch, False on
               the padding: (b, 1, 1, n)
        """
        ids = _check.ids("ids", ids, len(self.inner.source_embedding))
        steps, _, output = self.inner.read(ids, mask)
        weights = np.stack([block.attention.inner.weights for block in steps])
        return Trace(ids.astype(str).tolist(), weights, output)

    def steps(self, ids, *, mask=None):
        """The encoder at work: the BlockSteps of each layer."""
        return self.inner.read(_check.ids("ids", ids, len(self.inner.source_embedding)), mask)[0]
