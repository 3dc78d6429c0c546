"""Answers to the exercises of notebook 00."""

import numpy as np


def real_shapes(h, n, d):
    q, k = np.ones((2, h, n, d))
    scores = q @ k.transpose(0, 2, 1)
    return scores.shape, scores.sum(axis=-1).shape, np.where(np.ones((n, n), bool), scores, -np.inf).shape


RIGHT = {
    "00.shapes": [
        real_shapes,
        lambda h, n, d: ([h, n, n], [h, n], [h, n, n]),
        lambda h, n, d: tuple(np.empty(s).shape for s in ((h, n, n), (h, n), (h, n, n))),
    ],
    "00.looks_most_at": [
        lambda w: [[max(range(len(row)), key=row.__getitem__) for row in head] for head in w.tolist()],
        lambda w: np.argsort(w, axis=2)[:, :, -1],
        lambda w: (w == w.max(-1, keepdims=True)).astype(int) @ np.arange(w.shape[-1]),
    ],
}
WRONG = {
    "00.shapes": {
        "the heads forgotten: (n, n), (n,), (n, n)": (lambda h, n, d: ((n, n), (n,), (n, n)), "the heads got lost"),
        "sums with keepdims: (h, n, 1)": (lambda h, n, d: ((h, n, n), (h, n, 1), (h, n, n)), "the row sums kept an axis"),
        "the first axis summed: (n, n)": (lambda h, n, d: ((h, n, n), (n, n), (h, n, n)), "the row sums were taken over the heads"),
        "q.T @ k: (h, d, d)": (lambda h, n, d: ((h, d, d), (h, d), (h, d, d)), "the width d is what is summed away"),
        "q * k: (h, n, d)": (lambda h, n, d: ((h, n, d), (h, n), (h, n, d)), "the width d is summed away"),
        "the shape of the mask: (n, n)": (lambda h, n, d: ((h, n, n), (h, n), (n, n)), "the mask took the axis"),
        "one sum for each head: (h,)": (lambda h, n, d: ((h, n, n), (h,), (h, n, n)), "one sum for each head"),
        "one too many axes: (1, h, n, n)": (lambda h, n, d: ((1, h, n, n), (h, n), (h, n, n)), ""),
        "only two of the three": (lambda h, n, d: ((h, n, n), (h, n)), "but returned 2."),
        "numbers for tuples: h * n * n": (lambda h, n, d: (h * n * n, h * n, h * n * n), "right is ("),
        "numbers of the example: (2, 3, 3)": (lambda h, n, d: ((2, 3, 3), (2, 3), (2, 3, 3)), ""),
        "arrays in place of shapes": (lambda h, n, d: ([np.ones((h, n, n))], [h, n], [h, n, n]), "you said"),
    },
    "00.looks_most_at": {
        "weights.argmax(axis=-2)": (lambda w: w.argmax(axis=-2), "largest of each column"),
        "weights.argmax(axis=0)": (lambda w: w.argmax(axis=0), "over the heads"),
        "weights.max(axis=-1)": (lambda w: w.max(axis=-1), "the largest weights, not the positions"),
        "weights.argmin(axis=-1)": (lambda w: w.argmin(axis=-1), "the smallest"),
        "weights.argmax(axis=-1) + 1": (lambda w: w.argmax(axis=-1) + 1, "NumPy counts from 0"),
        "weights.argmax()": (lambda w: w.argmax(), "one number"),
        "weights[0].argmax(-1)": (lambda w: w[0].argmax(-1), "has the shape"),
        "weights.argsort(-1)": (lambda w: w.argsort(-1), "has the shape"),
        "weights == weights.max(-1, keepdims=True)": (lambda w: w == w.max(-1, keepdims=True), "has the shape"),
        "weights.sum(0).argmax(-1)": (lambda w: w.sum(0).argmax(-1), "has the shape"),
        "weights.reshape(h, -1).argmax(-1)": (lambda w: w.reshape(len(w), -1).argmax(-1), "has the shape"),
    },
}
