"""The same attention without the n×n matrix: the scores are made tile by tile, used, and forgotten.

A tile is a few hundred queries by a few hundred keys. One tile after the other, a query keeps a
running maximum m and two running sums, l and o, from which its output follows: `flash_steps` shows
them. The memory beyond the inputs is the output and one tile per worker, for texts of any length.
"""

# ruff: noqa: E741     l is the paper's name for the sum

import math
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from attnlib import _guard, _threads, masks
from attnlib.attention import attention_scores

TILE = 256, 512  # queries × keys; 512 KiB of float32 scores stay in a core's own cache
ROWS = 128  # queries of a tile of `local_attention`


class State(NamedTuple):
    """What a query knows after some of the keys: with all keys, the output is o / l."""

    m: np.ndarray  # (n_q, 1)    the largest score so far
    l: np.ndarray  # (n_q, 1)    the sum of exp(score - m) so far
    o: np.ndarray  # (n_q, d_v)  the sum of exp(score - m) · value so far


class FlashStep(NamedTuple):
    """One tile of keys, and the state of every query after it."""

    start: int  # the tile's keys are start … stop - 1
    stop: int
    scores: np.ndarray  # (n_q, stop - start)
    m: np.ndarray
    l: np.ndarray
    o: np.ndarray


# ---- the algorithm -------------------------------------------------------------------------------


def flash_steps(q, k, v, block=4) -> Iterator[FlashStep]:
    """One head of flash attention at work: what is known after each tile of `block` keys.

    q        (n_q, d)      k (n_k, d)      v (n_k, d_v)
    returns  a FlashStep per tile, one by one; after the last one the output is o / l

    Milakov & Gimelshein 2018, "Online normalizer calculation for softmax", algorithm 3.
    """
    q, k, v, block = _guard.flash_steps(q, k, v, block)
    return tile_by_tile(q, k, v, block)


def tile_by_tile(q, k, v, block) -> Iterator[FlashStep]:
    """Yields the FlashStep of each tile: the state before it absorbs the tile's scores."""
    state = nothing_seen(q, v)
    for start in range(0, len(k), block):
        scores = attention_scores(q, k[start : start + block])  # (n_q, block)
        state = absorb(state, scores, v[start : start + block])
        yield FlashStep(start, start + scores.shape[1], scores, *state)


@np.errstate(over="ignore")  # a difference below -1e308 is -inf: exp gives 0
def absorb(state, scores, v) -> State:
    """The state after one more tile of keys. scores (n_q, t), v (t, d_v)

    If the largest score rises from m to m', every exp(score - m) summed so far must become
    exp(score - m'): one factor, exp(m - m'), corrects both sums.
    """
    m = np.maximum(state.m, scores.max(axis=-1, keepdims=True))  # (n_q, 1)
    top = np.where(m == -np.inf, 0, m)  # no key allowed so far
    correct = np.exp(state.m - top)  # (n_q, 1), 0 at the first tile
    p = np.exp(scores - top)  # (n_q, t)
    l = state.l * correct + p.sum(axis=-1, keepdims=True)
    o = state.o * correct + p @ v  # (n_q, d_v)
    return State(m, l, o)


def nothing_seen(q, v) -> State:
    """The state before the first key: m (n_q, 1) is -inf, l (n_q, 1) and o (n_q, d_v) are 0."""
    m = np.full((len(q), 1), -np.inf, q.dtype)
    return State(m, np.zeros_like(m), np.zeros((len(q), v.shape[-1]), q.dtype))


def running_sums(q, k, v, tiles, scale, softcap) -> NDArray:
    """The output of some queries of one head, safe for any scores: the algorithm above."""
    state = nothing_seen(q, v)
    for keys, mask, bias in tiles:
        scores = attention_scores(q, k[keys], mask=mask, bias=bias, scale=scale, softcap=softcap)
        state = absorb(state, scores, v[keys])
    return state.o / np.where(state.l == 0, 1, state.l)  # a query with no key gets 0


def quick_sums(q, k, v, tiles, scale, softcap) -> NDArray | None:
    """The same without a maximum, about 1.4 times as fast; None where a sum is not safe.

    exp(score) needs no m while its sums stay far from the ends of float32, as with all but the
    largest scores; then nothing is to be corrected. exp2 is cheaper than exp, and its factor
    log2(e) is multiplied into q. A mask is a factor 0 or 1, for exp2(-inf) is slow.
    """
    exp, unit = _exponential()
    q = q * q.dtype.type(scale * unit if softcap is None else scale / softcap)
    l, o = np.zeros((len(q), 1), q.dtype), np.zeros((len(q), v.shape[-1]), q.dtype)
    for keys, mask, bias in tiles:
        p = q @ k[keys].T  # (t_q, t_k)
        if softcap is not None:
            np.tanh(p, out=p)
            p *= q.dtype.type(softcap * unit)
        if bias is not None:
            p += bias.astype(q.dtype, copy=False) * q.dtype.type(unit)
        exp(p, out=p)
        if mask is not None:
            p *= mask
        l += p @ np.ones((p.shape[1], 1), p.dtype)  # faster than p.sum
        o += p @ v[keys]
    return o / l if ((l > 2.0**-80) & (l < 2.0**100)).all() else None


@lru_cache
def _exponential():
    """(exp2, log2(e)) where NumPy has vector instructions for exp2 (AVX-512), else (exp, 1)."""
    found = np.lib.introspect.opt_func_info(func_name="^exp2$").get("exp2", {}).get("ff", {})
    slow = found.get("current", "baseline").startswith("baseline")
    return (np.exp, 1.0) if slow else (np.exp2, math.log2(math.e))


def _tame(q, k, v, scale):
    """May quick_sums try: can no product of q and k overflow, and are the values no extremes?"""
    q, k, v = (max(float(x.max(initial=0)), -float(x.min(initial=0))) for x in (q, k, v))
    return q * k < 2.0**100 and q * k * scale < 2.0**90 and 2.0**-20 < v < 2.0**20


# ---- what a reader calls -------------------------------------------------------------------------


def flash_attention(
    q,
    k,
    v,
    *,
    causal=False,
    mask=None,
    bias=None,
    scale=None,
    softcap=None,
    block=None,
    workers=None,
) -> NDArray:
    """The output of `scaled_dot_product_attention`, without its (n_q, n_k) weights.

    q k v mask bias scale softcap   as there; of mask and bias one tile at a time is read, so a
             mask of one row, (1, n_k), costs no memory
    causal   no key behind the query; with n_q ≠ n_k the last query sees every key.
             The tiles above the diagonal are not computed, nor those without a True in mask
    block    tokens per side of a tile, 256 queries × 512 keys unless given
    workers  threads, each on its own tiles; unless given, one per core where the work is worth it.
             The result does not depend on it, to the last bit
    returns  (..., n_q, d_v), in the dtype of q; a query that may look at nothing gets 0

    Dao 2023, "FlashAttention-2", algorithm 1: queries outside, keys inside, one division at the
    end. Before it Rabe & Staats 2021, "Self-attention Does Not Need O(n²) Memory", and Dao et al.
    2022, "FlashAttention", whose outer loop goes over the keys.
    """
    heads, mask, bias, block, workers = _guard.flash_attention(
        q, k, v, causal, mask, bias, scale, softcap, block, workers
    )
    rows, columns = TILE if block is None else (block, block)
    pattern = Pattern(heads.n_k, heads.offset, columns, causal=causal, mask=mask, bias=bias)
    return attend(heads, [(pattern, cut(0, heads.n_q, rows))], workers)


def local_attention(
    q, k, v, *, window, causal=False, n_global=0, scale=None, softcap=None, workers=None
) -> NDArray:
    """Attention in a window, at the cost of the window: the same as a mask, in O(n · window).

    q k v scale softcap   as in `scaled_dot_product_attention`
    window    a token sees the tokens less than `window` steps away, itself included
    causal    and no key behind the query
    n_global  the first tokens see everyone, and everyone sees them
    workers   as in `flash_attention`
    returns   (..., n_q, d_v), in the dtype of q: the output under the mask
              `masks.local(n_q, n_k, window=window)`, or with n_global under
              `masks.global_local(n_k, window=window, n_global=n_global)[-n_q:]`;
              with causal, & `masks.causal(n_q, n_k)`

    Beltagy et al. 2020, "Longformer", section 3.1; Jiang et al. 2023, "Mistral 7B", section 2.
    """
    heads, window, n_global, workers = _guard.local_attention(
        q, k, v, window, causal, n_global, scale, softcap, workers
    )
    everyone = Pattern(heads.n_k, heads.offset, TILE[1], causal=causal)
    near = everyone._replace(window=window, n_global=n_global)
    n_far = min(max(n_global - heads.offset, 0), heads.n_q) if n_global else 0  # they see everyone
    parts = [(everyone, cut(0, n_far, TILE[0])), (near, cut(n_far, heads.n_q, ROWS))]
    return attend(heads, parts, workers)


# ---- which tiles ---------------------------------------------------------------------------------


class Pattern(NamedTuple):
    """Who may look at whom, as ranges of keys and the tiles they are cut into."""

    n_k: int
    offset: int  # where query 0 stands among the keys
    columns: int  # keys per tile
    causal: bool = False
    window: int | None = None
    n_global: int = 0
    mask: np.ndarray | None = None  # (..., n_q, n_k), a view of the caller's
    bias: np.ndarray | None = None

    def spans(self, queries):
        """The ranges of keys that some of these queries see: the global tokens and the window."""
        first, last = queries.start + self.offset, queries.stop - 1 + self.offset
        window = self.window or self.n_k + abs(self.offset) + 1
        start = max(first - window + 1, self.n_global, 0)
        stop = min(last + (1 if self.causal else window), self.n_k)
        ranges = (0, self.n_global, None), (start, stop, self.window)
        return [(a, b, w) for a, b, w in ranges if a < b]

    def tiles(self, head, queries):
        """(keys, mask or None, bias or None) of every tile with something to see."""
        for start, stop, window in self.spans(queries):
            for keys in cut(start, stop, self.columns):
                first = queries.start + self.offset - keys.start
                allowed = edge(
                    first, queries.stop - queries.start, keys.stop - keys.start, window, self.causal
                )
                if self.mask is not None:
                    given = self.mask[head][queries, keys]
                    allowed = given if allowed is None else given & allowed
                    if not allowed.any():
                        continue
                yield keys, allowed, None if self.bias is None else self.bias[head][queries, keys]


def edge(first, n_q, n_k, window, causal) -> NDArray | None:
    """The mask of a tile on the edge of the pattern, None inside it.

    first    where its query 0 stands among its keys; it may stand before or behind them
    returns  (n_q, n_k)
    """
    farthest = max(first + n_q - 1, n_k - 1 - first)
    window = None if window is None or farthest < window else window
    causal = causal and first < n_k - 1
    return _band(first, n_q, n_k, window, causal) if window or causal else None


@lru_cache(maxsize=16)
def _band(first, n_q, n_k, window, causal):
    seen = masks.causal(n_q, n_k, offset=first) if causal else masks.full(n_q, n_k)
    return seen & masks.local(n_q, n_k, window=window, offset=first) if window else seen


def cut(start, stop, size) -> list[slice]:
    """start … stop in slices of `size`, the last one shorter."""
    return [slice(a, min(a + size, stop)) for a in range(start, stop, size)]


# ---- work for the threads ------------------------------------------------------------------------


def attend(heads, parts, workers) -> NDArray:
    """The output of all heads; parts: (pattern, slices of queries)."""
    output = np.empty((*heads.q.shape[:-1], heads.v.shape[-1]), heads.dtype)
    tame = {head: _tame(*heads.one(head), heads.scale) for head in np.ndindex(heads.q.shape[:-2])}

    def work(job):
        head, pattern, queries = job
        q, k, v = heads.one(head)
        methods = [quick_sums, running_sums] if tame[head] else [running_sums]
        for method in methods:
            with np.errstate(all="ignore"):
                found = method(
                    q[queries], k, v, pattern.tiles(head, queries), heads.scale, heads.softcap
                )
            if found is not None:
                output[head][queries] = found
                return

    jobs = [
        (head, pattern, queries) for head in tame for pattern, cuts in parts for queries in cuts
    ]
    pairs = sum(
        (b - a) * (queries.stop - queries.start)
        for _, pattern, queries in jobs
        for a, b, _ in pattern.spans(queries)
    )
    _threads.share(
        work, jobs, _threads.n_workers(workers, 2 * pairs * (heads.q.shape[-1] + heads.v.shape[-1]))
    )
    return output
