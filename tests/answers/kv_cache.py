"""Answers to the exercises of kv_cache."""

import numpy as np

from attnlib import masks, scaled_dot_product_attention, softmax
from attnlib.heads import KVCache

# ---- one step with a cache -----------------------------------------------------------------------


def with_the_package(q, k, v, k_held, v_held):
    cache = KVCache()
    cache.append(k_held, v_held)
    k_all, v_all = cache.append(k, v)
    return scaled_dot_product_attention(q, k_all, v_all)[0], k_all, v_all


def by_loops(q, k, v, k_held, v_held):
    outputs, keys, values = [], [], []
    for head in range(len(q)):
        mine, brought = [*k_held[head], k[head, 0]], [*v_held[head], v[head, 0]]
        shares = [np.exp(q[head, 0] @ key / len(key) ** 0.5) for key in mine]
        outputs.append([sum(s * value for s, value in zip(shares, brought)) / sum(shares)])
        keys.append(mine)
        values.append(brought)
    return np.array(outputs), np.array(keys), np.array(values)


def the_last_row(q, k, v, k_held, v_held):
    """Attention for all tokens with a square mask, of which only the last row is kept."""
    k_all, v_all = np.hstack([k_held, k]), np.hstack([v_held, v])
    n = k_all.shape[1]
    fake = np.concatenate([np.zeros((len(q), n - 1, q.shape[-1])), q], axis=1)
    return (
        scaled_dot_product_attention(fake, k_all, v_all, mask=masks.causal(n))[0][:, -1:],
        k_all,
        v_all,
    )


def step(
    join=lambda held, new: np.append(held, new, axis=1),
    divide=lambda s, q: s / np.sqrt(q.shape[2]),
    share=lambda s: softmax(s),
    back=lambda out, K, V, k, v, k_held, v_held: (out, K, V),
):
    """A step as a learner writes it, with one line exchanged."""

    def answer(q, k, v, k_held, v_held):
        K, V = join(k_held, k), join(v_held, v)
        out = share(divide(q @ K.transpose(0, 2, 1), q)) @ V
        return back(out, K, V, k, v, k_held, v_held)

    return answer


def look_then_append(q, k, v, k_held, v_held):
    out = softmax(q @ k_held.swapaxes(1, 2) / np.sqrt(q.shape[-1])) @ v_held
    return out, np.append(k_held, k, axis=1), np.append(v_held, v, axis=1)


def new_only(q, k, v, k_held, v_held):
    out = softmax(q @ k.swapaxes(1, 2) / np.sqrt(q.shape[-1])) @ v
    return out, np.append(k_held, k, axis=1), np.append(v_held, v, axis=1)


def with_tril(q, k, v, k_held, v_held):
    K, V = np.append(k_held, k, axis=1), np.append(v_held, v, axis=1)
    mask = np.tril(np.ones((1, K.shape[1]), bool))
    return scaled_dot_product_attention(q, K, V, mask=mask)[0], K, V


def overwritten(held, new):
    held = held.copy()
    held[:, -1:] = new
    return held


def in_place(q, k, v, k_held, v_held):
    k_held *= 1 / np.sqrt(q.shape[-1])
    K, V = np.append(k_held, k / np.sqrt(q.shape[-1]), axis=1), np.append(v_held, v, axis=1)
    return softmax(q @ K.swapaxes(1, 2)) @ V, K * np.sqrt(q.shape[-1]), V


def scaled_keys_kept(q, k, v, k_held, v_held):
    K, V = np.append(k_held, k, axis=1) / np.sqrt(q.shape[-1]), np.append(v_held, v, axis=1)
    return softmax(q @ K.swapaxes(1, 2)) @ V, K, V


# ---- bytes ---------------------------------------------------------------------------------------


def counted(n_layers, d_model, n_heads, n_kv_heads, n_tokens, bits):
    kind = {8: np.int8, 16: np.float16, 32: np.float32}[bits]
    keys = np.zeros((n_layers, n_kv_heads, n_tokens, d_model // n_heads), kind)
    return keys.nbytes + keys.copy().nbytes


def through_a_cache(n_layers, d_model, n_heads, n_kv_heads, n_tokens, bits):
    """A real cache, in 32 bits, and then the share of the wanted ones."""
    cache = KVCache()
    cache.append(*np.zeros((2, n_kv_heads, n_tokens, d_model // n_heads), np.float32))
    return n_layers * cache.nbytes * bits / 32


# ---- a batch with padding on its left ------------------------------------------------------------


def batch_by_loops(lengths, n_q):
    n_k = max(lengths)
    mask, places = np.zeros((len(lengths), n_q, n_k), bool), np.zeros((len(lengths), n_q), int)
    for b, length in enumerate(lengths):
        begin = n_k - length
        for i in range(n_q):
            asks = n_k - n_q + i
            mask[b, i, begin : asks + 1] = True
            places[b, i] = max(asks - begin, 0)
    return mask, places


def batch_by_masks(lengths, n_q):
    n_k = lengths.max()
    text = masks.padding(lengths, n_k)[:, 0, :, ::-1]
    places = np.clip(np.arange(n_k - n_q, n_k) - (n_k - lengths)[:, None], 0, None)
    return text & masks.causal(n_q, n_k), places


def batch_by_slices(lengths, n_q):
    """The whole square, of which the last rows are kept; places by counting text."""
    n_k = lengths.max()
    text = np.arange(n_k) >= n_k - lengths[:, None]
    square = np.tril(np.ones((n_k, n_k), bool)) & text[:, None]
    return square[:, n_k - n_q :], np.maximum(text.cumsum(axis=1) - 1, 0)[:, n_k - n_q :]


def batch(
    text=lambda column, lengths, n_k: column >= n_k - lengths[:, None],
    diagonal=lambda n_q, n_k: np.tril(np.ones((n_q, n_k), bool), n_k - n_q),
    places=lambda asks, skip: np.maximum(asks - skip, 0),
    after=lambda mask, places: (mask, places),
):
    """A batch as a learner writes it, with one line exchanged."""

    def answer(lengths, n_q):
        n_k = lengths.max()
        shown = text(np.arange(n_k), lengths, n_k)[:, None]
        asks = np.arange(n_k - n_q, n_k)
        return after(shown & diagonal(n_q, n_k), places(asks, n_k - lengths[:, None]))

    return answer


def on_the_right(column, lengths, n_k):
    return column < lengths[:, None]


RIGHT = {
    "kv_cache.step": [
        with_the_package,
        by_loops,
        the_last_row,
        step(),
        step(divide=lambda s, q: s * q.shape[-1] ** -0.5),
    ],
    "kv_cache.size": [
        counted,
        through_a_cache,
        lambda n, d, h, g, t, b: 2 * n * t * (d * g / h) * b / 8,
        lambda n, d, h, g, t, b: sum(
            g * (d // h) * t * (b // 8) for _ in ("keys", "values") for _ in range(n)
        ),
    ],
    "kv_cache.batch": [batch_by_loops, batch_by_masks, batch_by_slices, batch()],
}
WRONG = {
    "kv_cache.step": {
        "looks, then appends": (look_then_append, "the new token cannot see itself"),
        "not appended": (step(join=lambda held, new: held), "the new token was left out"),
        "in front": (step(join=lambda held, new: np.append(new, held, axis=1)), "in front"),
        "over the last one": (step(join=overwritten), "replaced the last one"),
        "the first thrown out": (
            step(join=lambda held, new: np.append(held, new, axis=1)[:, 1:]),
            "oldest",
        ),
        "np.tril": (with_tril, "top left corner"),
        "hands back what was held": (
            step(back=lambda out, K, V, k, v, k_held, v_held: (out, k_held, v_held)),
            "nothing was added",
        ),
        "hands back the new ones": (
            step(back=lambda out, K, V, k, v, k_held, v_held: (out, k, v)),
            "only the new key",
        ),
        "values, keys": (step(back=lambda out, K, V, *rest: (out, V, K)), "changed places"),
        "not divided": (step(divide=lambda s, q: s), "not divided by √d"),
        "divided by d": (step(divide=lambda s, q: s / q.shape[-1]), "not by its square root"),
        "divided by √n": (
            step(divide=lambda s, q: s / np.sqrt(s.shape[-1])),
            "the number of tokens",
        ),
        "axis=0": (step(share=lambda s: softmax(s, axis=0)), "the wrong axis"),
        "axis=1": (step(share=lambda s: softmax(s, axis=1)), "the wrong axis"),
        "np.exp(s) / np.exp(s).sum()": (
            step(share=lambda s: np.exp(s) / np.exp(s).sum()),
            "over all heads together",
        ),
        "no softmax": (step(share=lambda s: s), "without the softmax"),
        "the new token alone": (new_only, "only at itself"),
        "appended along the heads": (
            step(join=lambda held, new: np.append(held[:, :1], new, axis=0)),
            "",
        ),
        "np.append without an axis": (step(join=np.append), "raised"),
        "only the output": (step(back=lambda out, *rest: out), "3 things"),
        "one head too few axes": (
            step(back=lambda out, K, V, *rest: (out[:, 0], K, V)),
            "should have the shape",
        ),
        "the query held": (
            lambda q, k, v, k_held, v_held: step()(q, q, v, k_held, v_held),
            "query was held",
        ),
        "keys held divided by √d": (scaled_keys_kept, "k_all is not right yet"),
        "k_held *= 1 / √d": (in_place, "changes its input k_held"),
        "the mean of the values": (
            step(share=lambda s: np.ones_like(s) / s.shape[-1]),
            "all values count alike",
        ),
    },
    "kv_cache.size": {
        "keys only": (
            lambda n, d, h, g, t, b: n * g * d // h * t * b // 8,
            "keys or values, not both",
        ),
        "all heads": (
            lambda n, d, h, g, t, b: 2 * n * h * (d // h) * t * b // 8,
            "every query head",
        ),
        "kv heads as wide as the model": (
            lambda n, d, h, g, t, b: 2 * n * g * d * t * b / 8,
            "every query head",
        ),
        "bits": (lambda n, d, h, g, t, b: 2 * n * g * (d // h) * t * b, "you counted bits"),
        "numbers": (lambda n, d, h, g, t, b: 2 * n * g * (d // h) * t, "numbers, not bytes"),
        "no layers": (lambda n, d, h, g, t, b: 2 * g * (d // h) * t * b // 8, "one layer"),
        "no tokens": (lambda n, d, h, g, t, b: 2 * n * g * (d // h) * b // 8, "one token"),
        "no kv heads": (lambda n, d, h, g, t, b: 2 * n * (d // h) * t * b // 8, "one kv head"),
        "d_model / n_kv_heads": (
            lambda n, d, h, g, t, b: 2 * n * g * (d // g) * t * b // 8,
            "every query head",
        ),
        "no width": (lambda n, d, h, g, t, b: 2 * n * g * t * b // 8, "width of a head"),
        "n_tokens ** 2": (
            lambda n, d, h, g, t, b: 2 * n * g * (d // h) * t**2 * b // 8,
            "pairs of tokens",
        ),
        "queries too": (
            lambda n, d, h, g, t, b: n * (2 * g + h) * (d // h) * t * b // 8,
            "queries are not held",
        ),
        "three arrays": (
            lambda n, d, h, g, t, b: 3 * n * g * (d // h) * t * b // 8,
            "keys and values are two",
        ),
        "a shape": (lambda n, d, h, g, t, b: (2, n, g, t, d // h), "one number"),
        "in kilobytes": (lambda n, d, h, g, t, b: 2 * n * g * (d // h) * t * b / 8 / 1024, ""),
    },
    "kv_cache.batch": {
        "np.tril": (
            batch(diagonal=lambda n_q, n_k: np.tril(np.ones((n_q, n_k), bool))),
            "top left corner",
        ),
        "np.tril, and places from 0": (
            batch(
                diagonal=lambda n_q, n_k: np.tril(np.ones((n_q, n_k), bool)),
                places=lambda asks, skip: asks - asks[0] + 0 * skip,
            ),
            "top left corner",
        ),
        "padding on the right": (batch(text=on_the_right), "on the right"),
        "padding on the right, places of the columns": (
            batch(text=on_the_right, places=lambda asks, skip: asks + 0 * skip),
            "on the right",
        ),
        "padding seen": (
            batch(text=lambda column, lengths, n_k: column >= 0 * lengths[:, None]),
            "the padding is not hidden",
        ),
        "future seen": (
            batch(diagonal=lambda n_q, n_k: np.ones((n_q, n_k), bool)),
            "the future is not hidden",
        ),
        "not itself": (
            batch(diagonal=lambda n_q, n_k: np.tril(np.ones((n_q, n_k), bool), n_k - n_q - 1)),
            "cannot see itself",
        ),
        "True means hidden": (batch(after=lambda mask, places: (~mask, places)), "upside down"),
        "places of the columns": (
            batch(places=lambda asks, skip: asks + 0 * skip),
            "those of the columns",
        ),
        "places from 0": (
            batch(places=lambda asks, skip: np.arange(len(asks)) + 0 * skip),
            "begin at 0 in every step",
        ),
        "places below 0": (batch(places=lambda asks, skip: asks - skip), "below 0"),
        "places from 1": (
            batch(places=lambda asks, skip: np.maximum(asks - skip + 1, 0)),
            "count from 1",
        ),
        "places of the first columns": (
            batch(places=lambda asks, skip: np.maximum(asks - asks[0] - skip, 0)),
            "the first columns",
        ),
        "n_q + 1 keys left out": (
            batch(after=lambda mask, places: (mask[..., :-1], places)),
            "should have the shape",
        ),
        "0 and 1": (batch(after=lambda mask, places: (mask.astype(int), places)), "True and False"),
        "with an axis for heads": (
            batch(after=lambda mask, places: (mask[:, None], places)),
            "should have the shape",
        ),
        "the mask alone": (batch(after=lambda mask, places: mask), "2 things"),
        "(n_q, n_k)": (
            batch(after=lambda mask, places: (mask[0], places)),
            "should have the shape",
        ),
        "lengths.sort()": (lambda lengths, n_q: lengths.sort() or batch()(lengths, n_q), ""),
    },
}
