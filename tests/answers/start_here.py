"""Answers to the exercises of start_here."""

import numpy as np


def real_shapes(h, n):
    weights, mask = np.ones((h, n, n)), np.ones((n, n), bool)
    return weights.sum(axis=-1).shape, weights.mean(axis=0).shape, (weights * mask).shape


RIGHT = {
    "start_here.shapes": [
        real_shapes,
        lambda h, n: ([h, n], [n, n], [h, n, n]),
        lambda h, n: tuple(np.empty(s).shape for s in ((h, n), (n, n), (h, n, n))),
    ],
    "start_here.looks_most_at": [
        lambda w: [
            [max(range(len(row)), key=row.__getitem__) for row in head] for head in w.tolist()
        ],
        lambda w: np.argsort(w, axis=2)[:, :, -1],
        lambda w: (w == w.max(-1, keepdims=True)).astype(int) @ np.arange(w.shape[-1]),
    ],
}
WRONG = {
    "start_here.shapes": {
        "sums with keepdims: (h, n, 1)": (
            lambda h, n: ((h, n, 1), (n, n), (h, n, n)),
            "the row sums kept an axis",
        ),
        "the first axis summed: (n, n)": (
            lambda h, n: ((n, n), (n, n), (h, n, n)),
            "the row sums were taken over the heads",
        ),
        "one sum for each head: (h,)": (
            lambda h, n: ((h,), (n, n), (h, n, n)),
            "one sum for each head",
        ),
        "all heads summed, too: (n,)": (
            lambda h, n: ((n,), (n, n), (h, n, n)),
            "you added up the row sums of all heads",
        ),
        "a mean that changes nothing: (h, n, n)": (
            lambda h, n: ((h, n), (h, n, n), (h, n, n)),
            "the mean kept the heads",
        ),
        "a mean with keepdims: (1, n, n)": (
            lambda h, n: ((h, n), (1, n, n), (h, n, n)),
            "the mean kept the heads",
        ),
        "a mean over the last axis: (h, n)": (
            lambda h, n: ((h, n), (h, n), (h, n, n)),
            "the mean was taken over the queries or the keys",
        ),
        "a mean for each head: (h,)": (
            lambda h, n: ((h, n), (h,), (h, n, n)),
            "one mean for each head",
        ),
        "the shape of the mask: (n, n)": (
            lambda h, n: ((h, n), (n, n), (n, n)),
            "the mask took the axis",
        ),
        "weights @ mask summed: (h, n)": (
            lambda h, n: ((h, n), (n, n), (h, n)),
            "* goes number by number",
        ),
        "the heads forgotten: (n,), (n, n), (n, n)": (
            lambda h, n: ((n,), (n, n), (n, n)),
            "the heads got lost",
        ),
        "one too many axes: (1, h, n, n)": (lambda h, n: ((h, n), (n, n), (1, h, n, n)), ""),
        "only two of the three": (lambda h, n: ((h, n), (n, n)), "but returned 2."),
        "numbers for tuples: h * n": (lambda h, n: (h * n, n * n, h * n * n), "right is ("),
        "numbers of the example: (2, 3)": (lambda h, n: ((2, 3), (3, 3), (2, 3, 3)), ""),
        "arrays in place of shapes": (
            lambda h, n: ([np.ones((h, n))], [n, n], [h, n, n]),
            "you said",
        ),
    },
    "start_here.looks_most_at": {
        "weights.argmax(axis=-2)": (lambda w: w.argmax(axis=-2), "largest of each column"),
        "weights.argmax(axis=0)": (lambda w: w.argmax(axis=0), "over the heads"),
        "weights.max(axis=-1)": (
            lambda w: w.max(axis=-1),
            "the largest weights, not the positions",
        ),
        "weights.argmin(axis=-1)": (lambda w: w.argmin(axis=-1), "the smallest"),
        "weights.argmax(axis=-1) + 1": (lambda w: w.argmax(axis=-1) + 1, "NumPy counts from 0"),
        "weights.argmax()": (lambda w: w.argmax(), "one number"),
        "weights[0].argmax(-1)": (lambda w: w[0].argmax(-1), "has the shape"),
        "weights.argsort(-1)": (lambda w: w.argsort(-1), "has the shape"),
        "weights == weights.max(-1, keepdims=True)": (
            lambda w: w == w.max(-1, keepdims=True),
            "has the shape",
        ),
        "weights.sum(0).argmax(-1)": (lambda w: w.sum(0).argmax(-1), "has the shape"),
        "weights.reshape(h, -1).argmax(-1)": (
            lambda w: w.reshape(len(w), -1).argmax(-1),
            "has the shape",
        ),
    },
}
