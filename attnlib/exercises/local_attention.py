"""Exercises of local_attention: the keys of a block, local attention in blocks, layers until a
token is heard.
"""

import time
import tracemalloc

import numpy as np

from attnlib import masks
from attnlib.attention import scaled_dot_product_attention
from attnlib.exercises import Exercise
from attnlib.exercises._progress import record


def keys_of_block(first, last, n, window, causal):
    """The keys that the queries first … last - 1 need, as the start and the stop of a slice."""
    start = max(first - window + 1, 0)
    stop = last if causal else min(last - 1 + window, n)
    return start, stop


def _blocks(rng):
    """In the middle, at the beginning, at the end, the whole text; with and without `causal`."""
    trials = []
    for causal in rng.permutation([False, True]):
        n, size, window = (
            int(rng.integers(40, 80)),
            int(rng.integers(3, 7)),
            int(rng.integers(7, 11)),
        )
        middle = int(rng.integers(14, n - 20))
        trials += [
            (first, first + size, n, window, bool(causal))
            for first in (middle, int(rng.integers(1, 3)), n - size)
        ]
    n = int(rng.integers(10, 20))
    return [*trials, (0, n, n, n + 3, False), (5, 8, n, 1, bool(rng.integers(2)))]


def _keys_with(
    start=lambda a, b, w: a - w + 1,
    stop=lambda a, b, w: b - 1 + w,
    causal=lambda a, b, w: b,
    low=True,
    high=True,
):
    """keys_of_block with one part exchanged; a, b, w: first, last, window."""

    def wrong(first, last, n, window, is_causal):
        begin, end = (
            start(first, last, window),
            (causal if is_causal else stop)(first, last, window),
        )
        return max(begin, 0) if low else begin, min(end, n) if high else end

    return wrong


def _start_and_length(first, last, n, window, causal):
    start, stop = keys_of_block(first, last, n, window, causal)
    return start, stop - start


keys = Exercise(
    keys_of_block,
    title="Which keys does a block need?",
    level=1,
    minutes=8,
    inputs=_blocks,
    names=("start", "stop"),
    mistakes={
        "start can fall below 0: a slice would then count from the end": _keys_with(low=False),
        "stop can lie behind the text: it is at most n": _keys_with(high=False),
        "start and stop can lie outside the text: keep them between 0 and n": _keys_with(
            low=False, high=False
        ),
        "the window is counted without the token itself, so the slice is one key too wide at each "
        "end": [
            _keys_with(start=lambda a, b, w: a - w, stop=lambda a, b, w: b + w),
            _keys_with(start=lambda a, b, w: a - w, stop=lambda a, b, w: b - 1 + w),
            _keys_with(stop=lambda a, b, w: b + w),
        ],
        "you took last for a query of the block: the block ends just before it": _keys_with(
            stop=lambda a, b, w: b + w, causal=lambda a, b, w: b + 1
        ),
        "stop is the last key that is needed: for a slice it stands one behind that": [
            _keys_with(stop=lambda a, b, w: b + w - 2, causal=lambda a, b, w: b - 1),
            _keys_with(stop=lambda a, b, w: b + w - 2),
            _keys_with(causal=lambda a, b, w: b - 1),
        ],
        "causal makes no difference: then no key stands behind the last query": _keys_with(
            causal=lambda a, b, w: b - 1 + w
        ),
        "nobody looks ahead, with causal or without": _keys_with(stop=lambda a, b, w: b),
        "the stop is that of the first query: the last one of the block sees furthest ahead": [
            _keys_with(stop=lambda a, b, w: a + w),
            _keys_with(stop=lambda a, b, w: a + w, causal=lambda a, b, w: a + 1),
        ],
        "the start is that of the last query: the first one of the block sees furthest back": (
            _keys_with(start=lambda a, b, w: b - w)
        ),
        "the block looks at its own keys only: its first query also sees those before it": (
            _keys_with(start=lambda a, b, w: a, stop=lambda a, b, w: b)
        ),
        "the window is halved: it counts the steps to each side": _keys_with(
            start=lambda a, b, w: a - w // 2, stop=lambda a, b, w: b + w // 2
        ),
        "you return how many keys there are, where the stop should be": _start_and_length,
    },
    hints=[
        (
            "Only the two ends of the block matter: how far back does its first query see, and how"
            " far ahead its last?"
        ),
        (
            "Query i sees the keys i - window + 1 … i + window - 1. The last query of the block is"
            " last - 1."
        ),
        (
            "A slice stops one behind its last key. Then max(…, 0) and min(…, n). With causal it"
            " stops behind the last query."
        ),
    ],
)


BLOCK = 128
LONG = 4_000  # tokens of the text whose memory is watched
ENOUGH = 12e6  # bytes; True and False for all pairs would take 16e6


def local_in_blocks(q, k, v, window):
    """Attention in a causal window, block by block. q k (n, d), v (n, d_v) -> (n, d_v)"""
    out = np.empty_like(v)
    for first in range(0, len(q), BLOCK):
        last = min(first + BLOCK, len(q))
        start = max(first - window + 1, 0)  # the keys are start … last - 1
        back = np.arange(first, last)[:, None] - np.arange(start, last)
        scores = q[first:last] @ k[start:last].T / np.sqrt(q.shape[1])  # (block, keys)
        scores = np.where((back >= 0) & (back < window), scores, -np.inf)
        weights = np.exp(scores - scores.max(axis=1, keepdims=True))
        out[first:last] = weights / weights.sum(axis=1, keepdims=True) @ v[start:last]
    return out


class _Watched(Exercise):
    """An exercise whose last input is long, and must be answered with little memory."""

    def check(self, function):
        """Try a function on several inputs; if it is right, say also how fast it is."""
        passed, report = self.judge(function)
        print(report)
        if passed:
            print(_race(function))
            print(record(self))

    def _wrong(self, got, arguments):
        wrong = super()._wrong(got, arguments)
        return (wrong and _first_wrong_row(got, self.solve(*arguments))) or wrong

    def _try(self, function, trials, number):
        if number < len(trials) - 1:
            return super()._try(function, trials, number)
        peaks = []
        report = super()._try(lambda *given: _peak(function, given, peaks), trials, number)
        if report or peaks[0] < ENOUGH:
            return report
        return (
            f"The numbers are right, but for {LONG:,} tokens your function asked for"
            f" {peaks[0] / 1e6:,.0f} MB of memory at once. Blocks need less than"
            f" {ENOUGH / 1e6:.0f}. Is there a table with {LONG:,} rows and {LONG:,} columns,"
            " perhaps a mask?"
        )


def _first_wrong_row(got, wanted):
    """Where the output of a long text goes wrong, in words; empty where the whole of it can be
    printed.
    """
    if len(wanted) < LONG or np.shape(got) != wanted.shape:
        return ""
    try:
        right = np.isclose(got, wanted, atol=1e-6).all(axis=1)
    except TypeError:  # no numbers
        return ""
    if right.all():
        return ""
    where = f"Of {LONG:,} rows {np.sum(~right):,} are not right, the first is row {right.argmin()}."
    return f"{where} Is it the border between two blocks, or the end of the text?"


def _peak(function, given, peaks):
    """What a function returns; the most memory that it held goes into `peaks`, in bytes."""
    before = tracemalloc.is_tracing()
    tracemalloc.start()
    tracemalloc.reset_peak()
    held = tracemalloc.get_traced_memory()[0]
    try:
        return function(*given)
    finally:
        peaks.append(tracemalloc.get_traced_memory()[1] - held)
        if not before:
            tracemalloc.stop()


def _race(function):
    """Your function against a band over the whole table, in words."""
    rng = np.random.default_rng(0)
    q, k, v = (rng.normal(size=(2048, 64)).astype(np.float32) for _ in range(3))

    def band(q, k, v, window):
        return scaled_dot_product_attention(
            q, k, v, mask=masks.causal(len(q)) & masks.local(len(q), window=window)
        )

    mine, other = (min(_seconds(one, q, k, v, 128) for _ in range(3)) for one in (function, band))
    advice = (
        ""
        if mine < other
        else " Slower than the band: take more queries at a time, and no Python loop over keys."
    )
    return (
        f"2,048 tokens, window 128: {1e3 * mine:.0f} ms; a band over n×n: {1e3 * other:.0f}"
        f" ms.{advice}"
    )


def _seconds(function, *given):
    start = time.perf_counter()
    function(*given)
    return time.perf_counter() - start


def _long_and_short(rng):
    # n, d, d_v, window
    sizes = [
        (9, 3, 2, 4),
        (7, 2, 3, 1),
        (12, 4, 4, 3),
        (5, 3, 1, 8),
        (20, 5, 3, 6),
        (LONG, 8, 8, 16),
    ]
    return [
        (*(rng.normal(0, 1.5, (n, d)) for d in (d, d)), rng.normal(0, 1.5, (n, e)), window)
        for n, d, e, window in sizes
    ]


def _blocked_with(
    seen=lambda back, w: (back >= 0) & (back < w),
    reach=lambda w: w,
    scale=lambda q, w: q.shape[1] ** -0.5,
    softmax=True,
):
    """local_in_blocks with one part exchanged. seen: which keys, by how far they lie back; reach:
    at most so far, to both sides.
    """

    def wrong(q, k, v, window):
        out = np.empty_like(v)
        for first in range(0, len(q), BLOCK):
            last = min(first + BLOCK, len(q))
            start, stop = max(first - reach(window), 0), min(last + reach(window), len(q))
            back = np.arange(first, last)[:, None] - np.arange(start, stop)
            scores = q[first:last] @ k[start:stop].T * scale(q, window)
            weights = np.where(seen(back, window), np.exp(scores) if softmax else scores, 0)
            total = weights.sum(axis=1, keepdims=True) if softmax else 1
            out[first:last] = weights / np.where(total == 0, 1, total) @ v[start:stop]
        return out

    return wrong


blocked = _Watched(
    local_in_blocks,
    title="Blocks instead of a band",
    level=3,
    minutes=20,
    inputs=_long_and_short,
    names=("output",),
    mistakes={
        "the window is one too wide: a token sees `window` keys, itself included": _blocked_with(
            lambda back, w: (back >= 0) & (back <= w)
        ),
        "the window is one too narrow: a token sees `window` keys, itself included": _blocked_with(
            lambda back, w: (back >= 0) & (back < np.maximum(w - 1, 1))
        ),
        "a token does not see itself: window counts it": [
            _blocked_with(lambda back, w: (back > 0) & (back < w)),
            _blocked_with(lambda back, w: (back > 0) & (back <= w)),
        ],
        "the window is open on both sides: here it is causal, so nobody looks ahead": [
            _blocked_with(lambda back, w: abs(back) < w),
            _blocked_with(lambda back, w: abs(back) <= w),
        ],
        "everyone looks ahead only: i - j is positive for a key that lies behind": _blocked_with(
            lambda back, w: (back <= 0) & (-back < w)
        ),
        "the whole past is seen, without a window": _blocked_with(
            lambda back, w: back >= 0, reach=lambda w: LONG
        ),
        "everyone sees everyone: there is neither window nor causal": _blocked_with(
            lambda back, w: back > -LONG, reach=lambda w: LONG
        ),
        "the scores are not divided by √d": _blocked_with(scale=lambda q, w: 1.0),
        "the scores are divided by d, not by its square root": _blocked_with(
            scale=lambda q, w: 1 / q.shape[1]
        ),
        "the scores are divided by √window; it should be √d": _blocked_with(
            scale=lambda q, w: w**-0.5
        ),
        "the scores are divided by √n; it should be √d": _blocked_with(
            scale=lambda q, w: len(q) ** -0.5
        ),
        "the scores are mixed as they are, without the softmax": _blocked_with(softmax=False),
        "all keys of the window count alike: they "
        "are mixed by the softmax of the scores": _blocked_with(scale=lambda q, w: 0.0),
    },
    hints=[
        (
            "A loop over first = 0, block, 2 · block … with last = min(first + block, n). The keys"
            " are k[start:last], as in exercise 1."
        ),
        (
            "In the corners of a tile stand pairs outside the window: hide them with -inf before"
            " the softmax."
        ),
        (
            "How far key j lies behind query i: np.arange(first, last)[:, None] - np.arange(start,"
            " last). Allowed from 0 to window - 1."
        ),
        (
            "Divide by √d, softmax along axis=1, times v[start:last], into out[first:last]. Any"
            " block near the window will do."
        ),
    ],
)


def layers_until_heard(i, j, window, dilation):
    """How many layers of a causal, dilated window it takes until token i has heard token j; -1 for
    never.
    """
    if i == j:
        return 0
    steps, rest = divmod(i - j, dilation)
    if steps < 0 or rest or window == 1:
        return -1
    return -(-steps // (window - 1))  # rounded up


def _pairs(rng):
    """Reached exactly and with room to spare, itself, the future, between the gaps, and a window
    that sees only itself.
    """
    trials = []
    for window, dilation, more in ((3, 1, 0), (2, 3, 0), (4, 2, 1), (5, 1, 3)):
        layers, j = int(rng.integers(5, 16)), int(rng.integers(0, 9))
        trials.append((j + (layers * (window - 1) + more) * dilation, j, window, dilation))
    place, step = int(rng.integers(5, 30)), int(rng.integers(2, 9))
    never = [
        (place + 4 * step, place, 1, 1),
        (place, place + 2 * step, 3, 2),
        (place + 3 * step + 1, place, 4, 3),
    ]
    order = rng.permutation(4)
    return [*(trials[o] for o in order), *never, (place, place, 3, 2)]


def _layers_with(
    per_layer=lambda w, dilation: (w - 1) * dilation,
    up=lambda a, b: -(-a // b),
    never=-1,
    itself=0,
    gaps=True,
    past=True,
):
    """layers_until_heard with one part exchanged; per_layer: how many tokens one layer reaches
    back.
    """

    def wrong(i, j, window, dilation):
        if i == j:
            return itself
        if (past and j > i) or window == 1 or (gaps and (i - j) % dilation):
            return never
        return up(abs(i - j), per_layer(window, dilation))

    return wrong


layers = Exercise(
    layers_until_heard,
    title="How many layers until it hears?",
    level=2,
    minutes=12,
    inputs=_pairs,
    names=("layers",),
    mistakes={
        "a layer is thought to reach `window` steps: it reaches window - 1, for the window counts "
        "the token itself": [
            _layers_with(lambda w, dilation: w * dilation),
            _layers_with(lambda w, dilation: w * dilation, up=lambda a, b: a // b),
            _layers_with(lambda w, dilation: w * dilation - 1),
        ],
        "you rounded down: a last layer that is used in part is needed all the same": _layers_with(
            up=lambda a, b: a // b
        ),
        "there is always one layer more: where the reach fits exactly, none is needed": (
            _layers_with(up=lambda a, b: a // b + 1)
        ),
        "you rounded to the nearest: a layer that is used in part is needed all the same": (
            _layers_with(up=lambda a, b: round(a / b))
        ),
        "the number of layers is not rounded up": _layers_with(up=lambda a, b: a / b),
        "the dilation is left out: one layer reaches (window - 1) · dilation back": [
            _layers_with(lambda w, dilation: w - 1),
            _layers_with(lambda w, dilation: w - 1, gaps=False),
        ],
        "the gaps are forgotten: what is no whole number of dilations away is never heard": (
            _layers_with(gaps=False)
        ),
        "the future is heard: with a causal window it never is": [
            _layers_with(past=False),
            _layers_with(past=False, gaps=False),
        ],
        "it hears itself only after a layer: it knows itself from the start, after 0": _layers_with(
            itself=1
        ),
        "never is -1": [_layers_with(never=0), _layers_with(never=-2)],
        "the window is halved: with a causal window all of it lies behind": _layers_with(
            lambda w, dilation: max(w // 2, 1) * dilation
        ),
        "the window is doubled: with a causal window there is one side only": _layers_with(
            lambda w, dilation: 2 * (w - 1) * dilation
        ),
        "you counted tokens, not layers": _layers_with(up=lambda a, b: a),
    },
    hints=[
        "First the special ones: itself is 0; the future is -1; and what can a window of 1 hear?",
        (
            "Steps are `dilation` long. If i - j is no multiple of that, token j falls into a gap,"
            " in every layer."
        ),
        (
            "One layer goes up to window - 1 steps. Divide, and round up: -(-a // b), or"
            " math.ceil(a / b)."
        ),
    ],
)
