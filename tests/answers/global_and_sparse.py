"""Answers to the exercises of global_and_sparse."""

import numpy as np

from attnlib import masks

# ---- global tokens anywhere ----------------------------------------------------------------------


def with_the_package(n, window, places):
    is_global = np.isin(np.arange(n), places)
    return masks.local(n, window=window) | is_global | is_global[:, None]


def pair_by_pair(n, window, places):
    return [[abs(i - j) < window or i in places or j in places for j in range(n)] for i in range(n)]


def by_slices(n, window, places):
    mask = np.zeros((n, n), dtype=bool)
    for i in range(n):
        mask[i, max(i - window + 1, 0) : i + window] = True
    for place in places:
        mask[place, :] = mask[:, place] = True
    return mask


def from_a_band(change):
    """The window, then whatever is done to it."""

    def answer(n, window, places):
        mask = abs(np.subtract.outer(range(n), range(n))) < window
        return change(mask, places)

    return answer


def setting(*indices):
    """The window, then True at these indices, which are made of the places."""

    def change(mask, places):
        for index in indices:
            mask[index(places)] = True
        return mask

    return from_a_band(change)


def row(places):
    return places


def column(places):
    return np.s_[:, places]


def another_window(distance, rule):
    def answer(n, window, places):
        mask = rule(distance(np.arange(n)[:, None], np.arange(n)), window)
        mask[places], mask[:, places] = True, True
        return mask

    return answer


# ---- layers --------------------------------------------------------------------------------------


def by_powers(mask, i):
    n = len(mask)
    known, layers = np.eye(n, dtype=int), np.full(n, -1)
    for layer in range(n):
        layers[(layers == -1) & (known[i] > 0)] = layer
        known = np.minimum(known + known @ mask.astype(int), 1)
    return layers


def by_queue(mask, i):
    layers, queue = {i: 0}, [i]
    for token in queue:
        for other in range(len(mask)):
            if mask[token][other] and other not in layers:
                layers[other] = layers[token] + 1
                queue.append(other)
    return [layers.get(token, -1) for token in range(len(mask))]


def search(
    steps=None, itself=0, never=-1, first=1, looks=lambda mask, token: np.flatnonzero(mask[token])
):
    """A search as a learner writes it, with one thing exchanged."""

    def answer(mask, i):
        found, now = {i: itself}, [i]
        for layer in range(len(mask) if steps is None else steps):
            now = sorted({int(other) for token in now for other in looks(mask, token)} - set(found))
            found.update(dict.fromkeys(now, layer + first))
        return np.array([found.get(token, never) for token in range(len(mask))])

    return answer


def overwriting(mask, i):
    layers = np.full(len(mask), -1)
    layers[i], now = 0, [i]
    for layer in range(1, len(mask)):
        now = np.flatnonzero(mask[now].any(axis=0))
        layers[now] = layer
    return layers


# ---- the cache -----------------------------------------------------------------------------------


def from_the_mask(t, window, n_sinks):
    return np.flatnonzero(masks.streaming(t + 1, window=window, n_sinks=n_sinks)[-1])


def step_by_step(t, window, n_sinks):
    """A cache that grows by one token and throws one out."""
    cache = []
    for place in range(t + 1):
        cache.append(place)
        if len(cache) > n_sinks + window:
            del cache[n_sinks]
    return cache


def in_a_list(t, window, n_sinks):
    return [place for place in range(t + 1) if place < n_sinks or t - place < window]


def by_filter(keep):
    return lambda t, window, n_sinks: np.array(
        [p for p in range(t + 1) if keep(p, t, window, n_sinks)], dtype=int
    )


RIGHT = {
    "global_and_sparse.operators": [
        with_the_package,
        pair_by_pair,
        by_slices,
        setting(row, column),
    ],
    "global_and_sparse.layers": [
        by_powers,
        by_queue,
        search(),
        lambda mask, i: masks.hops(mask)[i],
    ],
    "global_and_sparse.kept": [
        from_the_mask,
        in_a_list,
        step_by_step,
        lambda t, w, s: sorted({*range(min(s, t + 1)), *range(max(t - w + 1, 0), t + 1)}),
    ],
}

WRONG = {
    "global_and_sparse.operators": {
        "rows only": (setting(row), "columns are missing"),
        "columns only": (setting(column), "rows are missing"),
        "np.ix_": (setting(lambda places: np.ix_(places, places)), "rows and columns cross"),
        "mask[places, places]": (
            setting(lambda places: (places, places)),
            "nobody became an operator",
        ),
        "the first ones": (
            lambda n, window, places: masks.global_local(n, window=window, n_global=len(places)),
            "became operators",
        ),
        "one of them": (
            lambda n, window, places: with_the_package(n, window, places[:1]),
            "only one of the operators",
        ),
        "<= window": (another_window(lambda i, j: abs(i - j), np.less_equal), "off by one"),
        "one narrower": (another_window(lambda i, j: abs(i - j) + 1, np.less), "off by one"),
        "backwards only": (
            another_window(lambda i, j: np.where(j > i, 99, i - j), np.less),
            "both sides",
        ),
        "i - j without abs": (another_window(lambda i, j: i - j, np.less), ""),
        "no window": (
            lambda n, window, places: with_the_package(n, 1, places),
            "window is missing",
        ),
        "nothing but operators": (
            lambda n, window, places: (
                with_the_package(n, 1, places) & ~np.eye(n, dtype=bool)
                | np.isin(np.arange(n), places)[:, None] & np.eye(n, dtype=bool)
            ),
            "window is missing",
        ),
        "& instead of |": (
            lambda n, window, places: (
                masks.local(n, window=window)
                & (np.isin(np.arange(n), places) | np.isin(np.arange(n), places)[:, None])
            ),
            "joined by &",
        ),
        "causal": (
            lambda n, window, places: with_the_package(n, window, places) & masks.causal(n),
            "future was forbidden",
        ),
        "upside down": (
            lambda n, window, places: ~with_the_package(n, window, places),
            "True and False changed places",
        ),
        "0 and 1": (
            lambda n, window, places: with_the_package(n, window, places) * 1,
            "True and False",
        ),
        "window alone": (
            lambda n, window, places: masks.local(n, window=window),
            "nobody became an operator",
        ),
    },
    "global_and_sparse.layers": {
        "the other way": (
            lambda mask, i: masks.hops(mask)[:, i],
            "rows and columns changed places",
        ),
        "both ways": (
            search(looks=lambda mask, token: np.flatnonzero(mask[token] | mask[:, token])),
            "both ways",
        ),
        "two layers": (search(steps=2), "after two layers"),
        "one layer": (search(steps=1), "after one layer"),
        "itself 1": (search(itself=1), "token i itself is wrong"),
        "itself -1": (search(itself=-1), "token i itself is wrong"),
        "never 0": (search(never=0), "should be -1"),
        "never inf": (search(never=np.inf), "should be -1"),
        "from 0": (search(first=0), "one layer too few"),
        "from 1": (search(itself=1, first=2), "one layer too many"),
        "overwriting": (overwriting, "overwritten in a later layer"),
        "the mask": (lambda mask, i: mask[i] * 1, "the mask itself"),
        "ways": (
            lambda mask, i: sum(
                np.linalg.matrix_power(mask * 1, layer) for layer in range(1, len(mask))
            )[i],
            "counted the ways",
        ),
        "one number": (lambda mask, i: masks.hops(mask).max(), "should have the shape"),
        "all pairs": (lambda mask, i: masks.hops(mask), "should have the shape"),
    },
    "global_and_sparse.kept": {
        "without t": (
            lambda t, w, s: [p for p in range(t) if p < s or p > t - w],
            "token t itself is missing",
        ),
        "<= window": (by_filter(lambda p, t, w, s: p < s or t - p <= w), "one token too many"),
        "one too few": (by_filter(lambda p, t, w, s: p < s or t - p < w - 1), "one token too few"),
        "no sinks": (by_filter(lambda p, t, w, s: t - p < w), "sinks are missing"),
        "sinks alone": (by_filter(lambda p, t, w, s: p < s), "window is missing"),
        "twice": (
            lambda t, w, s: [*range(min(s, t + 1)), *range(max(t - w + 1, 0), t + 1)],
            "come twice",
        ),
        "sinks to come": (
            lambda t, w, s: sorted({*range(s), *range(max(t - w + 1, 0), t + 1)}),
            "do not exist yet",
        ),
        "below 0": (
            lambda t, w, s: sorted({*range(min(s, t + 1)), *range(t - w + 1, t + 1)}),
            "below 0",
        ),
        "newest first": (lambda t, w, s: in_a_list(t, w, s)[::-1], "newest came first"),
        "inside the cache": (
            lambda t, w, s: list(range(len(in_a_list(t, w, s)))),
            "inside the cache",
        ),
        "everything": (lambda t, w, s: list(range(t + 1)), "nothing was thrown out"),
        "the others": (by_filter(lambda p, t, w, s: p >= s and t - p >= w), "thrown out"),
        "places from 1": (lambda t, w, s: [p + 1 for p in in_a_list(t, w, s)], ""),
        "as a mask": (lambda t, w, s: masks.streaming(t + 1, window=w, n_sinks=s)[-1], ""),
    },
}
