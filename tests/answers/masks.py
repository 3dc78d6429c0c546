"""Answers to the exercises of masks."""

import numpy as np

from answers.common import shares
from attnlib import softmax


def back(n):
    return np.arange(n)[:, None] - np.arange(n)


def window_by_loops(n, window):
    mask = np.zeros((n, n), bool)
    for i in range(n):
        mask[i, max(0, i - window + 1) : i + 1] = True
    return mask


def window_by_slices(n, window):
    """The start of a slice falls below 0."""
    mask = np.zeros((n, n), bool)
    for i in range(n):
        mask[i, i - window + 1 : i + 1] = True
    return mask


def longer_slices(n, window):
    mask = np.zeros((n, n), bool)
    for i in range(n):
        mask[i, max(0, i - window) : i + 1] = True
    return mask


def slices_without_oneself(n, window):
    mask = np.zeros((n, n), bool)
    for i in range(n):
        mask[i, max(0, i - window) : i] = True
    return mask


def one_by_one(attend, x):
    n = len(x)
    moved = [[False] * n for _ in range(n)]
    for j in range(n):
        for other in (x + 3 * (np.arange(n) == j)[:, None], x - 1.5 * (np.arange(n) == j)[:, None]):
            difference = attend(other) - attend(x)
            for i in range(n):
                moved[i][j] = moved[i][j] or bool(np.any(np.abs(difference[i]) > 1e-9))
    return moved


def nudging(compare, nudge=lambda x, j: x + (np.arange(len(x)) == j)[:, None]):
    def leak_test(attend, x):
        before, moved = attend(x), np.zeros((len(x), len(x)), bool)
        for j in range(len(x)):
            moved[:, j] = compare(attend(nudge(x, j)), before)
        return moved

    return leak_test


def nudged_feature(x, j):
    other = x.copy()
    other[:, j] += 1
    return other


def without_copy(attend, x):
    before, moved = attend(x), np.zeros((len(x), len(x)), bool)
    for j in range(len(x)):
        nudged = x
        nudged[j] += 1.0
        moved[:, j] = np.abs(attend(nudged) - before).max(axis=-1) > 1e-9
    return moved


def without_copy_and_before(attend, x):
    moved = np.zeros((len(x), len(x)), bool)
    for j in range(len(x)):
        nudged = x
        nudged[j] += 1.0
        moved[:, j] = np.abs(attend(nudged) - attend(x)).max(axis=-1) > 1e-9
    return moved


def rows_for_columns(attend, x):
    before, moved = attend(x), np.zeros((len(x), len(x)), bool)
    for i in range(len(x)):
        nudged = x.copy()
        nudged[i] += 1.0
        moved[i] = np.abs(attend(nudged) - before).max(axis=-1) > 1e-9
    return moved


def without_keepdims(peak, total):
    def masked(scores, mask):
        inside = np.where(mask, scores, -np.inf)
        e = np.exp(inside - np.maximum(inside.max(-1, keepdims=peak), -1e300))
        return e / np.maximum(e.sum(-1, keepdims=total), 1e-300)

    return masked


def zeros_for_nan(scores, mask):
    inside = np.where(mask, scores, -np.inf)
    return np.nan_to_num(shares(np.exp(inside - inside.max(axis=-1, keepdims=True))))


def safe_division(scores, mask):
    e = (
        np.exp(
            np.where(mask, scores, -np.inf) - np.where(mask, scores, -1e300).max(-1, keepdims=True)
        )
        * mask
    )
    return np.divide(
        e, e.sum(-1, keepdims=True), out=np.zeros_like(e), where=mask.any(-1, keepdims=True)
    )


def allowed_only(scores, mask):
    weights = []
    for row, allowed in zip(scores.astype(float), mask):
        peak = max(row[allowed], default=0.0)
        e = [np.exp(s - peak) if ok else 0.0 for s, ok in zip(row, allowed)]
        weights.append([one / sum(e) if sum(e) else 0.0 for one in e])
    return weights


def filled(value, zeros=False):
    def answer(scores, mask):
        inside = np.where(mask, scores, value)
        weights = shares(np.exp(inside - inside.max(axis=-1, keepdims=True)))
        return weights * mask.any(axis=-1, keepdims=True) if zeros else weights

    return answer


def divided_again(by):
    def answer(scores, mask):
        weights = softmax(scores) * mask
        return weights / by(weights.sum(axis=-1, keepdims=True))

    return answer


def even_for_nobody(scores, mask):
    return np.where(mask.any(-1, keepdims=True), softmax(scores, where=mask), 1 / scores.shape[-1])


def a_little_below(scores, mask):
    e = np.where(mask, np.exp(scores - scores.max()), 0)
    return e / (e.sum(-1, keepdims=True) + 1e-2)


def added(scores, mask):
    return softmax_like(scores + (~mask).astype(scores.dtype) * np.asarray(-1e9, scores.dtype))


def softmax_like(x):
    return shares(np.exp(x - x.max(axis=-1, keepdims=True)))


def plain_division(scores, mask):
    e = np.where(mask, np.exp(scores), 0)
    return e / np.where(mask.any(-1, keepdims=True), e.sum(-1, keepdims=True), 1)


RIGHT = {
    "masks.past": [
        window_by_loops,
        lambda n, window: [[0 <= i - j < window for j in range(n)] for i in range(n)],
        lambda n, window: np.tri(n, dtype=bool) & ~np.tri(n, k=-window, dtype=bool),
        lambda n, window: (np.tri(n) - np.tri(n, k=-window)) == 1,
        lambda n, window: np.isin(back(n), range(window)),
    ],
    "masks.leaks": [
        one_by_one,
        lambda attend, x: np.array(one_by_one(attend, x)),
        nudging(lambda after, before: ~np.isclose(after, before, rtol=0, atol=1e-10).all(axis=-1)),
        nudging(
            lambda after, before: np.abs(after - before).sum(axis=1) > 1e-9,
            lambda x, j: x * (np.arange(len(x)) != j)[:, None],
        ),
        nudging(lambda after, before: ((after - before) ** 2).sum(axis=1) > 1e-16),
    ],
    "masks.empty_row": [
        zeros_for_nan,
        safe_division,
        allowed_only,
        lambda s, m: softmax(s, where=m),
        lambda s, m: softmax(s, where=m).astype(np.float32),
    ],
}
WRONG = {
    "masks.past": {
        "back <= window": (lambda n, w: (back(n) >= 0) & (back(n) <= w), "sees window + 1 tokens"),
        "slices from i - window": (longer_slices, "sees window + 1 tokens"),
        "back < window - 1": (
            lambda n, w: (back(n) >= 0) & (back(n) < w - 1),
            "off by one the other way",
        ),
        "0 < back < window": (
            lambda n, w: (back(n) > 0) & (back(n) < w),
            "off by one the other way",
        ),
        "0 < back <= window": (
            lambda n, w: (back(n) > 0) & (back(n) <= w),
            "a token does not see itself",
        ),
        "slices up to i": (slices_without_oneself, "a token does not see itself"),
        "slices from i - window + 1, below 0": (window_by_slices, "starts below 0"),
        "abs(back) < window": (lambda n, w: abs(back(n)) < w, "the future is allowed too"),
        "abs(back) <= window": (lambda n, w: abs(back(n)) <= w, "the future is allowed too"),
        "the future": (
            lambda n, w: (back(n) <= 0) & (-back(n) < w),
            "everyone looks into the future",
        ),
        "np.tril": (lambda n, w: np.tri(n, dtype=bool), "without a window"),
        "back < window": (lambda n, w: back(n) < w, "the future is allowed too"),
        "True for forbidden": (lambda n, w: (back(n) < 0) | (back(n) >= w), "True means may look"),
        "and for &": (lambda n, w: back(n) >= 0 and back(n) < w, "raised ValueError"),
        "| for &": (lambda n, w: (back(n) >= 0) | (back(n) < w), "both rules"),
        "numbers 0 and 1": (lambda n, w: np.tri(n) - np.tri(n, k=-w), "True and False"),
        "-inf and 0": (
            lambda n, w: np.where((back(n) >= 0) & (back(n) < w), 0, -np.inf),
            "True and False",
        ),
        "the first window tokens": (
            lambda n, w: np.tri(n, dtype=bool) & (np.arange(n) < w),
            "the same for every row",
        ),
        "blocks": (
            lambda n, w: np.tri(n, dtype=bool) & (np.arange(n)[:, None] // w == np.arange(n) // w),
            "",
        ),
    },
    "masks.leaks": {
        "one maximum: .max()": (
            nudging(lambda after, before: np.abs(after - before).max() > 1e-9),
            "one maximum was taken",
        ),
        "moved[i] for moved[:, j]": (rows_for_columns, "rows and columns changed places"),
        "nudged = x, no copy": (without_copy, "the nudges pile up"),
        "nudged = x, compared with attend(x)": (without_copy_and_before, "nothing moved"),
        "nudged[:, j] += 1": (
            nudging(
                lambda after, before: np.abs(after - before).max(axis=-1) > 1e-9, nudged_feature
            ),
            "all tokens",
        ),
        "no np.abs": (
            nudging(lambda after, before: (after - before).max(axis=-1) > 1e-9),
            "np.abs is missing",
        ),
        "max(axis=0)": (
            nudging(lambda after, before: np.abs(after - before).max(axis=0) > 1e-9),
            "over the tokens (axis 0)",
        ),
        "too large a threshold": (
            nudging(lambda after, before: np.abs(after - before).max(axis=-1) > 0.1),
            "",
        ),
        "== instead of !=": (
            nudging(lambda after, before: (after == before).all(axis=-1)),
            "True and False changed places",
        ),
        "numbers": (lambda attend, x: np.array(one_by_one(attend, x), float), "True and False"),
        "the size of the change": (
            lambda attend, x: np.stack(
                [np.abs(attend(x + one[:, None]) - attend(x)).max(-1) for one in np.eye(len(x))], 1
            ),
            "True and False",
        ),
        "np.tri, without looking": (lambda attend, x: np.tri(len(x), dtype=bool), ""),
        "only oneself": (lambda attend, x: np.eye(len(x), dtype=bool), ""),
        "one answer: is there a leak": (
            lambda attend, x: np.triu(one_by_one(attend, x), 1).any(),
            "one number",
        ),
        "a list of leaks": (lambda attend, x: np.argwhere(one_by_one(attend, x)), ""),
    },
    "masks.empty_row": {
        "softmax(scores) * mask": (
            lambda s, m: softmax_like(s) * m,
            "the mask came after the softmax",
        ),
        "softmax, * mask, divided again": (
            divided_again(lambda total: total),
            "Take both over the allowed keys only",
        ),
        "softmax, * mask, divided again, no 0": (
            divided_again(lambda total: np.maximum(total, 1e-300)),
            "allowed keys only",
        ),
        "softmax, * mask, divided again + 1e-9": (
            divided_again(lambda total: total + 1e-9),
            "Take both over the allowed keys only",
        ),
        "-inf": (filled(-np.inf), "became NaN"),
        "-1e9 by np.where": (filled(-1e9), "with -1e9 everywhere"),
        "-1e9 by np.where, zeros for empty rows": (filled(-1e9, True), "took the place of −inf"),
        "-1e9 added": (added, "float16 has no −1e9"),
        "-1e9 added, zeros for empty rows": (
            lambda s, m: added(s, m) * m.any(-1, keepdims=True),
            "−1e9",
        ),
        "scores * mask": (lambda s, m: softmax_like(s * m), "masked scores were set to 0"),
        "the mask upside down": (lambda s, m: softmax(s, where=~m), "upside down"),
        "the mask upside down, -inf": (lambda s, m: zeros_for_nan(s, ~m), "upside down"),
        "no mask": (lambda s, m: softmax(s), "the mask is not used"),
        "the maximum without keepdims": (without_keepdims(False, True), "keepdims=True is missing"),
        "the sum without keepdims": (without_keepdims(True, False), "keepdims=True is missing"),
        "maximum and sum without keepdims": (
            without_keepdims(False, False),
            "keepdims=True is missing",
        ),
        "no maximum": (plain_division, "overflows"),
        "no maximum, nan_to_num": (
            lambda s, m: np.nan_to_num(shares(np.exp(np.where(m, s, -np.inf)))),
            "overflows",
        ),
        "axis=0": (lambda s, m: np.nan_to_num(softmax(s, axis=0, where=m)), "down the columns"),
        "an even row for nobody": (even_for_nobody, "Give such a row zeros"),
        "oneself for nobody": (
            lambda s, m: np.where(m.any(-1, keepdims=True), softmax(s, where=m), np.eye(*s.shape)),
            "",
        ),
        "NaN where masked": (lambda s, m: np.where(m, softmax(s, where=m), np.nan), ""),
        "-inf where masked": (lambda s, m: np.where(m, softmax(s, where=m), -np.inf), ""),
        "a fill that is too small: -100": (filled(-100.0, True), "not right yet"),
        "even among the allowed": (lambda s, m: m / np.maximum(m.sum(-1, keepdims=True), 1), ""),
        "winner takes all": (
            lambda s, m: (
                np.eye(s.shape[-1])[np.where(m, s, -np.inf).argmax(-1)] * m.any(-1, keepdims=True)
            ),
            "",
        ),
        "a causal mask of its own": (
            lambda s, m: softmax(s, where=np.tri(*s.shape, dtype=bool)),
            "",
        ),
        "fewer columns": (lambda s, m: softmax(s, where=m)[:, :-1], "has the shape"),
        "only the rows with a key": (lambda s, m: softmax(s, where=m)[m.any(-1)], "has the shape"),
        "the mask of the first row for all": (
            lambda s, m: softmax(s, where=np.broadcast_to(m[0], m.shape)),
            "",
        ),
        "a small number below the line": (a_little_below, ""),
    },
}
