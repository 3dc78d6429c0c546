"""Answers to the exercises of local_attention."""

import math

import numpy as np

from attnlib import masks, scaled_dot_product_attention, softmax
from attnlib.efficient import flash_attention, local_attention

# ---- the keys of a block -------------------------------------------------------------------------


def keys_by_mask(first, last, n, window, causal):
    """Ask the mask itself which columns its rows need."""
    mask = masks.local(n, window=window) & (masks.causal(n) if causal else True)
    needed = np.flatnonzero(mask[first:last].any(axis=0))
    return needed[0], needed[-1] + 1


def keys_by_sets(first, last, n, window, causal):
    needed = {
        j
        for i in range(first, last)
        for j in range(n)
        if abs(i - j) < window and not (causal and j > i)
    }
    return min(needed), max(needed) + 1


def keys_by_clip(first, last, n, window, causal):
    return tuple(np.clip([first - (window - 1), last + (0 if causal else window - 1)], 0, n))


def keys(
    start=lambda a, w: max(0, a - w + 1), stop=lambda b, n, w: min(n, b + w - 1), ahead=lambda b: b
):
    """The keys as a learner writes it, with one line exchanged."""
    return lambda first, last, n, window, causal: (
        start(first, window),
        ahead(last) if causal else stop(last, n, window),
    )


# ---- blocks instead of a band --------------------------------------------------------------------


def with_the_package(q, k, v, window):
    return local_attention(q, k, v, window=window, causal=True)


def one_by_one(q, k, v, window):
    out = np.zeros_like(v)
    for i in range(len(q)):
        start = max(0, i - window + 1)
        out[i] = softmax(k[start : i + 1] @ q[i] / np.sqrt(len(q[i]))) @ v[start : i + 1]
    return out


def by_windows(q, k, v, window):
    """No loop: a view of the window behind each token, with zeros in front of the text."""

    def behind(x):
        padded = np.concatenate([np.zeros((window - 1, x.shape[1])), x])
        return np.lib.stride_tricks.sliding_window_view(padded, window, axis=0)  # (n, d, window)

    scores = np.einsum("nd,ndw->nw", q, behind(k)) / np.sqrt(q.shape[1])
    there = np.arange(len(q))[:, None] + np.arange(window) >= window - 1
    return np.einsum("nw,ndw->nd", softmax(scores, where=there), behind(v))


def band(q, k, v, window):
    mask = masks.causal(len(q)) & masks.local(len(q), window=window)
    return scaled_dot_product_attention(q, k, v, mask=mask)[0]


def band_and_flash(q, k, v, window):
    """No table of scores, but one of True and False."""
    mask = np.zeros((len(q), len(q)), bool)
    for i in range(len(q)):
        mask[i, max(0, i - window + 1) : i + 1] = True
    return flash_attention(q, k, v, mask=mask)


def blocks(
    size=4,
    start=lambda first, w: max(0, first - w + 1),
    stop=lambda last, n, w: last,
    allowed=lambda back, w: (0 <= back) & (back < w),
    back=lambda first, last, start, stop: np.arange(first, last)[:, None] - np.arange(start, stop),
    divide=lambda s, q: s / np.sqrt(q.shape[-1]),
    share=lambda s: softmax(s),
    end=lambda n, size: n,
    values=lambda v, start, stop: v[start:stop],
):
    """Blocks as a learner writes it, with one line exchanged."""

    def answer(q, k, v, window):
        out = np.zeros_like(v)
        for first in range(0, end(len(q), size), size):
            last = min(first + size, len(q))
            a, b = start(first, window), stop(last, len(q), window)
            scores = divide(q[first:last] @ k[a:b].T, q)
            scores = np.where(allowed(back(first, last, a, b), window), scores, -np.inf)
            out[first:last] = share(scores) @ values(v, a, b)
        return out

    return answer


def top_left(first, last, start, stop):
    return np.arange(last - first)[:, None] - np.arange(stop - start)


def in_place(q, k, v, window):
    q /= np.sqrt(q.shape[1])
    return blocks(divide=lambda s, q: s)(q, k, v, window)


# ---- layers until it hears -----------------------------------------------------------------------


def by_hops(i, j, window, dilation):
    n = max(i, j) + 1
    return masks.hops(masks.causal(n) & masks.dilated(n, window=window, dilation=dilation))[i, j]


def by_walking(i, j, window, dilation):
    """Layer by layer: the set of tokens that have been heard."""
    heard, layer = {i}, 0
    while j not in heard:
        more = heard | {
            t - s * dilation for t in heard for s in range(window) if t - s * dilation >= 0
        }
        if more == heard:
            return -1
        heard, layer = more, layer + 1
    return layer


def by_reach(i, j, window, dilation):
    """Try one number of layers after the other."""
    for n_layers in range(i + 1):
        if i - j in range(0, n_layers * (window - 1) * dilation + 1, dilation):
            return n_layers
    return -1


def layers(
    per=lambda w, d: (w - 1) * d,
    up=math.ceil,
    itself=0,
    never=-1,
    gaps=lambda far, d: far % d,
    future=lambda far: far < 0,
):
    """Layers as a learner writes it, with one line exchanged."""

    def answer(i, j, window, dilation):
        far = i - j
        if far == 0:
            return itself
        if future(far) or window == 1 or gaps(far, dilation):
            return never
        return up(abs(far) / per(window, dilation))

    return answer


RIGHT = {
    "local_attention.keys": [keys_by_mask, keys_by_sets, keys_by_clip, keys()],
    "local_attention.blocked": [
        with_the_package,
        one_by_one,
        by_windows,
        blocks(),
        blocks(size=1),
        blocks(size=300),
    ],
    "local_attention.layers": [by_hops, by_walking, by_reach, layers()],
}
WRONG = {
    "local_attention.keys": {
        "first - window + 1": (keys(start=lambda a, w: a - w + 1), "below 0"),
        "no min": (keys(stop=lambda b, n, w: b + w - 1), "behind the text"),
        "no max, no min": (
            keys(start=lambda a, w: a - w + 1, stop=lambda b, n, w: b + w - 1),
            "between 0 and n",
        ),
        "window too wide": (
            keys(start=lambda a, w: max(0, a - w), stop=lambda b, n, w: min(n, b + w)),
            "without the token itself",
        ),
        "start too early": (keys(start=lambda a, w: max(0, a - w)), "without the token itself"),
        "stop too late": (keys(stop=lambda b, n, w: min(n, b + w)), "without the token itself"),
        "last is in the block": (
            keys(stop=lambda b, n, w: min(n, b + w), ahead=lambda b: b + 1),
            "",
        ),
        "the last key itself": (keys(ahead=lambda b: b - 1), "one behind that"),
        "no causal": (
            lambda a, b, n, w, causal: (max(0, a - w + 1), min(n, b + w - 1)),
            "no difference",
        ),
        "always causal": (lambda a, b, n, w, causal: (max(0, a - w + 1), b), "nobody looks ahead"),
        "stop of the first query": (keys(stop=lambda b, n, w: min(n, b)), "nobody looks ahead"),
        "start of the last query": (
            lambda a, b, n, w, causal: (max(0, b - w), keys()(a, b, n, w, causal)[1]),
            "furthest back",
        ),
        "own keys": (lambda a, b, n, w, causal: (a, b), "its own keys only"),
        "half": (
            keys(start=lambda a, w: max(0, a - w // 2), stop=lambda b, n, w: min(n, b + w // 2)),
            "halved",
        ),
        "how many": (
            lambda *given: (keys()(*given)[0], keys()(*given)[1] - keys()(*given)[0]),
            "how many keys",
        ),
        "stop, start": (lambda *given: keys()(*given)[::-1], ""),
        "only start": (lambda *given: keys()(*given)[0], "2 things"),
        "a range": (lambda *given: range(*keys()(*given)), "2 things"),
    },
    "local_attention.blocked": {
        "a band": (band, "The numbers are right, but for 4,000 tokens"),
        "a mask of n × n": (band_and_flash, "The numbers are right, but for 4,000 tokens"),
        "one block": (blocks(size=10**6), "The numbers are right, but for 4,000 tokens"),
        "<= window": (
            blocks(
                start=lambda first, w: max(0, first - w),
                allowed=lambda back, w: (0 <= back) & (back <= w),
            ),
            "one too wide",
        ),
        "not itself": (
            blocks(
                allowed=lambda back, w: (0 < back) & (back <= w),
                start=lambda first, w: max(0, first - w),
                share=lambda s: softmax(s),
            ),
            "does not see itself",
        ),
        "both sides": (
            blocks(
                stop=lambda last, n, w: min(n, last + w - 1), allowed=lambda back, w: abs(back) < w
            ),
            "nobody looks ahead",
        ),
        "no window": (
            blocks(size=50, start=lambda first, w: 0, allowed=lambda back, w: back >= 0),
            "the whole past",
        ),
        "full": (
            blocks(
                size=50,
                start=lambda first, w: 0,
                stop=lambda last, n, w: n,
                allowed=lambda back, w: back == back,
            ),
            "everyone sees everyone",
        ),
        "not divided": (blocks(divide=lambda s, q: s), "not divided by √d"),
        "divided by d": (blocks(divide=lambda s, q: s / q.shape[1]), "not by its square root"),
        "no softmax": (
            blocks(share=lambda s: np.where(np.isfinite(s), s, 0)),
            "without the softmax",
        ),
        "even": (
            blocks(share=lambda s: np.isfinite(s) / np.isfinite(s).sum(axis=1, keepdims=True)),
            "count alike",
        ),
        "the softmax of columns": (blocks(size=3, share=lambda s: softmax(s, axis=0)), ""),
        "no mask in the tile": (blocks(allowed=lambda back, w: back == back), ""),
        "a triangle in the top left corner": (blocks(back=top_left), ""),
        "chunks": (blocks(start=lambda first, w: first), ""),
        "chunks longer than the short texts": (
            blocks(size=64, start=lambda first, w: first),
            "the first is row 64. Is it the border",
        ),
        "a longer text cut off": (
            blocks(size=64, end=lambda n, size: max(n // size, 1) * size),
            "32 are not right, the first is row 3968",
        ),
        "a start below 0": (blocks(size=1, start=lambda first, w: first - w + 1), ""),
        "the last block left out": (blocks(size=2, end=lambda n, size: n // size * size), ""),
        "values of the whole text": (blocks(values=lambda v, start, stop: v), "raised"),
        "q /= √d": (in_place, "changes its input q"),
        "a list of blocks": (lambda *given: np.array_split(blocks()(*given), 2), ""),
    },
    "local_attention.layers": {
        "by window": (layers(per=lambda w, d: w * d), "the window counts the token itself"),
        "rounded down": (layers(up=math.floor), "rounded down"),
        "one more": (layers(up=lambda a: int(a) + 1), "always one layer more"),
        "not rounded": (layers(up=float), "not rounded up"),
        "no dilation": (layers(per=lambda w, d: w - 1), "the dilation is left out"),
        "no gaps": (layers(gaps=lambda far, d: False), "the gaps are forgotten"),
        "the future": (layers(future=lambda far: False), "the future is heard"),
        "itself after 1": (layers(itself=1), "it knows itself from the start"),
        "never is 0": (layers(never=0), "never is -1"),
        "never is inf": (layers(never=np.inf), ""),
        "window of 1": (
            lambda i, j, w, d: layers()(i, j, w, d) if w > 1 else (i - j) // (w - 1),
            "raised",
        ),
        "half a window": (layers(per=lambda w, d: w // 2 * d), "halved"),
        "both sides": (layers(per=lambda w, d: 2 * (w - 1) * d), "doubled"),
        "distance": (
            lambda i, j, w, d: layers(up=lambda a: i - j)(i, j, w, d),
            "tokens, not layers",
        ),
        "can or cannot": (lambda *given: layers()(*given) >= 0, ""),
    },
}
