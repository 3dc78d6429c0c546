"""Exercises of global_and_sparse: global tokens anywhere, hops from one token, and what a rolling
cache still holds.
"""

import numpy as np

from attnlib.exercises import Exercise


def with_operators(n, window, places):
    """A window for everyone, and the tokens at `places` see all and are seen by all. (n, n)"""
    token = np.arange(n)
    mask = np.abs(token[:, None] - token) < window
    mask[places] = True  # their rows: whom they see
    mask[:, places] = True  # their columns: who sees them
    return mask


def _lines(rng):
    """Neither the first nor the last token alone is global, so that `len(places)` and `places`
    differ.
    """
    trials = []
    for n, window, many in zip(
        rng.choice(np.arange(8, 13), 4, replace=False), rng.permutation([1, 2, 3, 3]), [1, 2, 2, 3]
    ):
        trials.append((int(n), int(window), rng.choice(np.arange(3, n - 1), many, replace=False)))
    return trials


def _built(
    near=lambda i, j, w: abs(i - j) < w,
    glob=lambda i, j: i | j,
    join=np.logical_or,
    at=lambda n, places: places,
):
    """with_operators with one part exchanged; glob: how a global row (n, 1) and a global column
    (1, n) come together.
    """

    def wrong(n, window, places):
        token, is_global = np.arange(n), np.isin(np.arange(n), at(n, places))
        return join(
            near(token[:, None], token, window), glob(is_global[:, None], is_global[None, :])
        )

    return wrong


operators = Exercise(
    with_operators,
    title="Put the operators where you like",
    level=1,
    minutes=8,
    inputs=_lines,
    names=("mask",),
    mistakes={
        "the operators are heard by all, but hear only their neighbours: their rows are missing": (
            _built(glob=lambda i, j: i * 0 | j)
        ),
        "the operators hear all, but only their neighbours hear them: their columns are missing": (
            _built(glob=lambda i, j: i | j * 0)
        ),
        "only the operators hear each other: that is where their rows and columns cross. All of "
        "the row, and all of the column": _built(glob=lambda i, j: i & j),
        "nobody became an operator: the rows and columns at `places` are missing (mask[places, "
        "places] sets only single cells)": _built(glob=lambda i, j: i & j & False),
        "the first tokens became operators: `places` says where they are, not how many": _built(
            at=lambda n, places: range(len(places))
        ),
        "only one of the operators was put in: there may be several": [
            _built(at=lambda n, places: places[:1]),
            _built(at=lambda n, places: places[-1:]),
        ],
        "the window is off by one: less than `window` steps away, so window = 1 is only me": [
            _built(near=lambda i, j, w: abs(i - j) <= w),
            _built(near=lambda i, j, w: abs(i - j) < w - 1),
        ],
        "the window is only behind each token: it goes to both sides": [
            _built(near=lambda i, j, w: (i - j >= 0) & (i - j < w)),
            _built(near=lambda i, j, w: (j - i >= 0) & (j - i < w)),
        ],
        "the window is missing: those who are no operators hear their neighbours, too": [
            _built(near=lambda i, j, w: i + j < 0),
            _built(near=lambda i, j, w: i == j),
        ],
        "the two patterns are joined by &: a look is "
        "allowed if one of them allows it, so it is |": _built(join=np.logical_and),
        "the future was forbidden: here everyone may look both ways": lambda n, window, places: (
            with_operators(n, window, places) & np.tri(n, dtype=bool)
        ),
        "True and False changed places: True means may look": lambda n, window, places: (
            ~with_operators(n, window, places)
        ),
    },
    hints=[
        (
            "First the window, as in the notebook on masks: np.arange(n)[:, None] - np.arange(n) is"
            " the table of i - j."
        ),
        "A row says whom a token sees, a column says who sees it. An operator needs both.",
        (
            "An array of places can be an index: mask[places] = True sets whole rows. What sets"
            " whole columns?"
        ),
    ],
)


def layers_until(mask, i):
    """After how many layers token i knows of each token: 0 for itself, -1 for never. (n,)"""
    layers = np.full(len(mask), -1)
    layers[i] = 0
    for layer in range(1, len(mask)):
        reached = mask[layers >= 0].any(axis=0)  # looked at by those of whom i knows
        layers[reached & (layers < 0)] = layer
    return layers


def _masks(rng):
    """Sparse and lopsided ones: i hears of some in several layers, of others never, and the way
    back is another.
    """
    trials = []
    while len(trials) < 5:
        n = int(rng.integers(7, 11))
        mask, i = rng.random((n, n)) < 0.16, int(rng.integers(n))
        np.fill_diagonal(mask, rng.random(n) < 0.7)  # some do not even look at themselves
        there, back = layers_until(mask, i), layers_until(mask.T, i)
        if (
            there.max() >= 3
            and (there < 0).any()
            and (there != back).any()
            and (there > 0).sum() >= 4
        ):
            trials.append((mask, i))
    return trials


def _relabelled(change):
    return lambda mask, i: change(layers_until(mask, i), mask, i)


def _sum_of_powers(mask, i):
    """Paths counted, not layers."""
    n = len(mask)
    return sum(np.linalg.matrix_power(mask.astype(int), layer) for layer in range(1, n))[i]


def _only_exactly(mask, i):
    """The last number of looks that leads there, not the first."""
    layers, now = np.full(len(mask), -1), np.arange(len(mask)) == i
    for layer in range(len(mask)):
        layers[now] = layer
        now = mask[now].any(axis=0)
    return layers


layers = Exercise(
    layers_until,
    title="After how many layers?",
    level=2,
    minutes=12,
    inputs=_masks,
    names=("layers",),
    mistakes={
        "rows and columns changed places: row i says whom token i looks at; you counted until the "
        "others know of i": lambda mask, i: layers_until(mask.T, i),
        "you treat every look as a look both ways: that i looks at j does not mean that j looks at "
        "i": lambda mask, i: layers_until(mask | mask.T, i),
        "you stopped after two layers: go on until nothing changes": _relabelled(
            lambda x, mask, i: np.where(x > 2, -1, x)
        ),
        "you stopped after one layer: those whom i looks at bring news of others in the next": (
            _relabelled(lambda x, mask, i: np.where(x > 1, -1, x))
        ),
        "token i itself is wrong: it knows itself before the first layer, so its number is 0": [
            _relabelled(lambda x, mask, i: np.where(x == 0, 1, x)),
            _relabelled(lambda x, mask, i: np.where(x == 0, -1, x)),
            _relabelled(lambda x, mask, i: np.where(x == 0, np.where(mask[i, i], 1, -1), x)),
        ],
        "tokens of which i never hears are wrong: they should be -1": [
            _relabelled(lambda x, mask, i: np.where(x < 0, 0, x)),
            _relabelled(lambda x, mask, i: np.where(x < 0, len(x), x)),
            _relabelled(lambda x, mask, i: np.where(x < 0, np.inf, x)),
        ],
        "you count one layer too few: whom i looks at, it knows after 1": [
            _relabelled(lambda x, mask, i: np.where(x > 0, x - 1, x)),
            _relabelled(lambda x, mask, i: np.where(x >= 0, x - 1, x)),
        ],
        "you count one layer too many: itself is 0, and whom i looks at is 1": _relabelled(
            lambda x, mask, i: np.where(x >= 0, x + 1, x)
        ),
        "you counted the ways that lead there: only the shortest matters": _sum_of_powers,
        "a number was overwritten in a later layer: once i knows of a token, its number stays": [
            _only_exactly,
            _relabelled(lambda x, mask, i: np.where(x >= 0, len(x) - 1, -1)),
        ],
        "the mask itself came back: it says who is looked at, not after how many layers": [
            lambda mask, i: mask[i].astype(int),
            lambda mask, i: mask[i],
        ],
    },
    hints=[
        "Keep a list of those of whom i knows. At first that is i alone, with the number 0.",
        (
            "In a layer, i hears of everyone whom somebody on the list looks at:"
            " mask[known].any(axis=0), if known is True and False."
        ),
        (
            "Those who are new get the number of the layer; the others keep theirs. n - 1 layers"
            " are always enough."
        ),
    ],
)


def still_there(t, window, n_sinks):
    """The places that token t can see: the first n_sinks, and those less than `window` steps back.
    In order.
    """
    place = np.arange(t + 1)
    return place[(place < n_sinks) | (place > t - window)]


def _steps(rng):
    """Early steps, in which sinks and window overlap, and late ones, in which there is a gap."""
    far = [
        (int(rng.integers(12, 30)), int(w), int(s))
        for w, s in zip(rng.permutation([2, 3, 4]), rng.permutation([1, 2, 3]))
    ]
    window = int(rng.integers(3, 6))
    near = [
        (int(rng.integers(3, 6)), window + 1, 3),
        (int(rng.integers(0, 2)), window, 4),
        (int(rng.integers(9, 20)), window, 0),
    ]
    return far + near


def _kept(recent, sinks=lambda t, s: np.arange(min(s, t + 1)), join=np.union1d):
    return lambda t, window, n_sinks: join(sinks(t, n_sinks), recent(t, window)).astype(int)


def _window(t, window):
    return np.arange(max(t - window + 1, 0), t + 1)


def _negative(t, window, n_sinks):
    """A window that begins below 0 where the text is short."""
    return np.union1d(np.arange(min(n_sinks, t + 1)), np.arange(t - window + 1, t + 1))


def _joined(sinks, recent):
    return np.concatenate([sinks, recent])


kept = Exercise(
    still_there,
    title="What is still in the cache?",
    level=2,
    minutes=10,
    inputs=_steps,
    names=("places",),
    mistakes={
        "token t itself is missing: it has been added, and it sees itself": [
            _kept(lambda t, w: np.arange(max(t - w + 1, 0), t)),
            _kept(lambda t, w: np.arange(max(t - w, 0), t)),
            lambda t, w, s: still_there(t, w, s)[:-1],
        ],
        "the window holds one token too many: less than `window` steps back, itself included": (
            _kept(lambda t, w: np.arange(max(t - w, 0), t + 1))
        ),
        "the window holds one token too few: with window = 1 only t itself": _kept(
            lambda t, w: np.arange(max(t - w + 2, 0), t + 1)
        ),
        "the sinks are missing: the first n_sinks tokens are never thrown out": (
            lambda t, w, s: _window(t, w)
        ),
        "the window is missing: the last tokens are seen, too": lambda t, w, s: np.arange(
            min(s, t + 1)
        ),
        "some places come twice: early in a text, sinks and window overlap": [
            _kept(_window, join=_joined),
            lambda t, w, s: np.sort(np.concatenate([np.arange(min(s, t + 1)), _window(t, w)])),
        ],
        "there are sinks that do not exist yet: early in a text it has fewer than n_sinks tokens": [
            _kept(_window, sinks=lambda t, s: np.arange(s)),
            lambda t, w, s: np.concatenate([np.arange(s), np.arange(max(t - w + 1, s), t + 1)]),
        ],
        "there are places below 0: early in a text the window is cut off at its beginning": (
            _negative
        ),
        "the sinks were taken out of the window's number: here they come on top of it": (
            lambda t, w, s: np.union1d(np.arange(min(s, t + 1)), _window(t, max(w - s, 1))).astype(
                int
            )
        ),
        "the newest came first: the order is from the oldest to the newest": (
            lambda t, w, s: still_there(t, w, s)[::-1]
        ),
        "the places are counted inside the cache: return where the tokens stand in the text": (
            lambda t, w, s: np.arange(len(still_there(t, w, s)))
        ),
        "nothing was thrown out: between the sinks and the window there is a gap": (
            lambda t, w, s: np.arange(t + 1)
        ),
        "you return those that were thrown out: the others are asked for": lambda t, w, s: (
            np.setdiff1d(np.arange(t + 1), still_there(t, w, s))
        ),
    },
    hints=[
        "Write down all places so far, np.arange(t + 1), and say of each whether it is kept.",
        (
            "A place is kept if it is below n_sinks, or if it is less than `window` steps behind t:"
            " t - place < window."
        ),
        (
            "place[(place < n_sinks) | (t - place < window)] never has a place twice, and none that"
            " does not exist."
        ),
    ],
)
