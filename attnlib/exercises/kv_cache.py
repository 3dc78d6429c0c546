"""Exercises of kv_cache: a step with a cache, the bytes of a cache, the mask of a batch with
padding on its left.
"""

import numpy as np

from attnlib.exercises import Exercise


def step_by_hand(q, k, v, k_held, v_held):
    """One new token looks at all so far. -> output (h, 1, d_v), keys (h, n + 1, d), values (h, n +
    1, d_v)
    """
    k_all = np.concatenate([k_held, k], axis=1)
    v_all = np.concatenate([v_held, v], axis=1)
    scores = q @ np.swapaxes(k_all, -1, -2) / np.sqrt(q.shape[-1])  # (h, 1, n + 1)
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return weights / weights.sum(axis=-1, keepdims=True) @ v_all, k_all, v_all


def _tokens(rng):
    sizes = [(1, 3, 4, 2), (2, 4, 3, 5), (3, 2, 2, 3), (2, 1, 4, 4)]  # h, n, d, d_v
    return [
        tuple(
            rng.normal(0, 1.5, size)
            for size in ((h, 1, d), (h, 1, d), (h, 1, e), (h, n, d), (h, n, e))
        )
        for h, n, d, e in sizes
    ]


def _attended(q, k, v, scale=None, axis=-1, hidden=None, softmax=True):
    """Attention with one thing or another done differently; `hidden`: which keys are not seen."""
    scores = q @ np.swapaxes(k, -1, -2) * (q.shape[-1] ** -0.5 if scale is None else scale)
    if hidden is not None:
        scores[..., hidden] = -np.inf
    if not softmax:
        return scores @ v
    weights = np.exp(scores - scores.max(axis=axis, keepdims=True))
    return weights / weights.sum(axis=axis, keepdims=True) @ v


def _step_with(join=lambda held, new: np.concatenate([held, new], axis=1), keep=None, **how):
    """step_by_hand with one part exchanged: how tokens are joined, what is handed back, how
    attention is done.
    """

    def wrong(q, k, v, k_held, v_held):
        k_all, v_all = join(k_held, k), join(v_held, v)
        kept = (k_all, v_all) if keep is None else keep(k, v, k_held, v_held)
        return (
            _attended(
                q,
                k_all,
                v_all,
                **{name: it(q, k_all) if callable(it) else it for name, it in how.items()},
            ),
            *kept,
        )

    return wrong


def _query_held(q, k, v, k_held, v_held):
    """The query where the new key should be."""
    return _step_with()(q, q, v, k_held, v_held)


step = Exercise(
    step_by_hand,
    title="One step with a cache",
    level=2,
    minutes=12,
    inputs=_tokens,
    names=("output", "k_all", "v_all"),
    mistakes={
        "the new token cannot see itself: append its key and value first, then look": _step_with(
            hidden=slice(-1, None)
        ),
        "the new token was left out: its own key and value belong to those it looks at, and to "
        "what is held": _step_with(join=lambda held, new: held),
        "the new token was put in front: it comes last, behind those that are held": _step_with(
            join=lambda held, new: np.concatenate([new, held], axis=1)
        ),
        "the new token replaced the last one: nothing that is held gets lost": _step_with(
            join=lambda held, new: np.concatenate([held[:, :-1], new], axis=1)
        ),
        "the oldest token was thrown out: nothing that is held gets lost": _step_with(
            join=lambda held, new: np.concatenate([held[:, 1:], new], axis=1)
        ),
        "a causal mask was put in the top left corner: the newest token then sees only the first "
        "one. It may see all": _step_with(hidden=slice(1, None)),
        "the output is right, but nothing was added to what is held": _step_with(
            keep=lambda k, v, k_held, v_held: (k_held, v_held)
        ),
        "the output is right, but only the new key and value come back: hand back all of them": (
            _step_with(keep=lambda k, v, k_held, v_held: (k, v))
        ),
        "keys and values changed places in what you hand back: first the keys, then the values": (
            lambda *given: tuple(step_by_hand(*given)[i] for i in (0, 2, 1))
        ),
        "the new query was held in the place of the new key": _query_held,
        "the scores are not divided by √d": _step_with(scale=1.0),
        "the scores are divided by d, not by its square root": _step_with(
            scale=lambda q, k: 1 / q.shape[-1]
        ),
        "the scores are divided by √n, the number of "
        "tokens; it should be √d, the width of a head": _step_with(
            scale=lambda q, k: k.shape[-2] ** -0.5
        ),
        "the softmax runs over the wrong axis: the keys are the last one, axis=-1": [
            _step_with(axis=0),
            _step_with(axis=1),
        ],
        "the softmax runs over all heads together: each head has its own": _step_with(
            axis=(0, 1, 2)
        ),
        "the scores are mixed as they are, without the softmax": _step_with(softmax=False),
        "the new token looks only at itself: it should look at all that are held, too": (
            lambda q, k, v, k_held, v_held: (v, *step_by_hand(q, k, v, k_held, v_held)[1:])
        ),
        "all values count alike: they are mixed by the softmax of the scores": _step_with(
            scale=0.0
        ),
    },
    hints=[
        (
            "First append: np.concatenate([k_held, k], axis=1) joins tokens to tokens. The same for"
            " the values."
        ),
        (
            "Then it is plain attention, with one row of scores per head: (h, 1, n + 1). No mask is"
            " needed."
        ),
        "scores = q @ k_all.swapaxes(1, 2) / np.sqrt(d); a softmax along axis=-1; times v_all.",
    ],
)


def count_bytes(n_layers, d_model, n_heads, n_kv_heads, n_tokens, bits):
    """How many bytes of keys and values a model holds after n_tokens."""
    d_head = d_model // n_heads
    return 2 * n_layers * n_kv_heads * d_head * n_tokens * bits // 8


def _configurations(rng):
    """Small ones, with n_heads a multiple of n_kv_heads, and once as many kv heads as heads."""
    trials = []
    for layers, group, bits in zip(
        rng.permutation([2, 3, 4, 5]),
        rng.permutation([1, 2, 3, 4]),
        rng.permutation([8, 16, 16, 32]),
    ):
        kv_heads, d_head = int(rng.choice([3, 5])), int(rng.choice([4, 6, 8]))
        heads = int(group) * kv_heads
        trials.append(
            (int(layers), heads * d_head, heads, kv_heads, int(rng.choice([5, 7, 11])), int(bits))
        )
    return trials


size = Exercise(
    count_bytes,
    title="How many bytes?",
    level=1,
    minutes=6,
    inputs=_configurations,
    names=("bytes",),
    mistakes={
        "you counted keys or values, not both": (
            lambda n, d, h, g, t, b: n * g * (d // h) * t * b // 8
        ),
        "you counted every query head: only kv heads "
        "are held, and each is d_model / n_heads wide": [
            lambda n, d, h, g, t, b: 2 * n * d * t * b // 8,
            lambda n, d, h, g, t, b: 2 * n * d * g * t * b // 8,
        ],
        "you counted bits: a byte has 8 of them": (
            lambda n, d, h, g, t, b: 2 * n * g * (d // h) * t * b
        ),
        "you counted numbers, not bytes": lambda n, d, h, g, t, b: 2 * n * g * (d // h) * t,
        "you counted one layer": lambda n, d, h, g, t, b: 2 * g * (d // h) * t * b // 8,
        "you counted one token": lambda n, d, h, g, t, b: 2 * n * g * (d // h) * b // 8,
        "you counted one kv head": lambda n, d, h, g, t, b: 2 * n * (d // h) * t * b // 8,
        "you counted the width of a head twice or not at all": [
            lambda n, d, h, g, t, b: 2 * n * g * t * b // 8,
            lambda n, d, h, g, t, b: 2 * n * g * (d // h) ** 2 * t * b // 8,
        ],
        "you counted pairs of tokens: a cache holds one row per token, not one per pair": [
            lambda n, d, h, g, t, b: 2 * n * g * (d // h) * t * t * b // 8,
            lambda n, d, h, g, t, b: 2 * n * g * (d // h) * t * (t + 1) // 2 * b // 8,
        ],
        "you counted queries, keys and values: queries are not held": lambda n, d, h, g, t, b: (
            (2 * n * g * (d // h) + n * d) * t * b // 8
        ),
        "you counted three arrays per kv head: keys and values are two": (
            lambda n, d, h, g, t, b: 3 * n * g * (d // h) * t * b // 8
        ),
    },
    hints=[
        "Keys are (n_kv_heads, n_tokens, d_head) in each layer, and values are as many.",
        (
            "d_head is d_model / n_heads, with all query heads: GQA makes fewer kv heads, not wider"
            " ones."
        ),
        "A number of `bits` bits takes bits / 8 bytes.",
    ],
)


def mask_and_places(lengths, n_q):
    """For the last n_q columns of a batch with padding on its left. -> mask (b, n_q, n_k), places
    (b, n_q)
    """
    n_k = lengths.max()
    column = np.arange(n_k)  # (n_k,)
    asks = column[n_k - n_q :]  # (n_q,)
    padding = n_k - lengths[:, None]  # (b, 1)
    is_text = column >= padding  # (b, n_k)
    mask = is_text[:, None, :] & (column <= asks[:, None])  # (b, n_q, n_k)
    return mask, np.maximum(asks - padding, 0)


def _batches(rng):
    """The longest text is 6 to 8 tokens, another is so short that some of its queries are padding
    where n_q is large.
    """
    trials = []
    for n_q in rng.permutation([1, 2, 3, 4]):
        longest = int(rng.integers(6, 9))
        lengths = [longest, int(rng.integers(1, 4)), int(rng.integers(4, longest))]
        trials.append((rng.permutation(lengths), int(n_q)))
    return trials


def _batch_with(text="left", corner="bottom", hide=True, causal="<=", polarity=True, places=None):
    """mask_and_places with one part exchanged."""

    def wrong(lengths, n_q):
        n_k = lengths.max()
        column, padding = np.arange(n_k), n_k - lengths[:, None]
        asks = np.arange(n_q) + (n_k - n_q if corner == "bottom" else 0)
        is_text = column >= padding if text == "left" else column < lengths[:, None]
        future = {
            "<=": column <= asks[:, None],
            "<": column < asks[:, None],
            "none": np.full((n_q, n_k), True),
        }[causal]
        mask = (is_text[:, None, :] | (not hide)) & future
        right = np.maximum(np.arange(n_k - n_q, n_k) - padding, 0)
        return mask == polarity, right if places is None else places(lengths, n_q, n_k, padding)

    return wrong


def _everywhere(lengths, n_q, n_k, padding):
    return np.tile(np.arange(n_k - n_q, n_k), (len(lengths), 1))


def _from_zero(lengths, n_q, n_k, padding):
    return np.tile(np.arange(n_q), (len(lengths), 1))


def _below_zero(lengths, n_q, n_k, padding):
    return np.arange(n_k - n_q, n_k) - padding


def _own_key_on_padding(lengths, n_q):
    mask, places = mask_and_places(lengths, n_q)
    mask[:, np.arange(n_q), np.arange(mask.shape[-1] - n_q, mask.shape[-1])] = True
    return mask, places


batch = Exercise(
    mask_and_places,
    title="Find the corner behind the padding",
    level=3,
    minutes=15,
    inputs=_batches,
    names=("mask", "positions"),
    mistakes={
        "the causal diagonal begins in the top left corner: the queries are the last columns": [
            _batch_with(corner="top"),
            _batch_with(corner="top", places=_from_zero),
        ],
        "the padding was sought on the right: here texts end together": [
            _batch_with(text="right"),
            _batch_with(text="right", places=_everywhere),
            _batch_with(
                text="right",
                places=lambda lengths, n_q, n_k, padding: (
                    _everywhere(lengths, n_q, n_k, padding) * 0
                    + np.minimum(np.arange(n_k - n_q, n_k), lengths[:, None] - 1)
                ),
            ),
        ],
        "the padding is not hidden": [
            _batch_with(hide=False),
            _batch_with(hide=False, places=_everywhere),
        ],
        "the future is not hidden: with several queries, the first may not see the last": (
            _batch_with(causal="none")
        ),
        "a query cannot see itself: the key in its own column is allowed": _batch_with(causal="<"),
        "the mask is upside down: True means may attend": _batch_with(polarity=False),
        "the mask is right, and the places are those of the columns: count them from where each "
        "text begins": _batch_with(places=_everywhere),
        "the mask is right, and the places begin at 0 in every step: the queries stand behind the "
        "tokens before them": _batch_with(places=_from_zero),
        "the mask is right, and places on padding are below 0: make them 0, np.maximum(…, 0)": (
            _batch_with(places=_below_zero)
        ),
        "the places count from 1: the first token of a text stands at 0": _batch_with(
            places=lambda lengths, n_q, n_k, padding: np.maximum(
                np.arange(n_k - n_q, n_k) - padding + 1, 0
            )
        ),
        "the mask is right, and the places are those of the first columns: the queries are the "
        "last ones": _batch_with(
            places=lambda lengths, n_q, n_k, padding: np.maximum(np.arange(n_q) - padding, 0)
        ),
        "a query on padding sees itself: padding is hidden from everyone, even from itself": (
            _own_key_on_padding
        ),
    },
    hints=[
        (
            "Give every column its number, np.arange(n_k). The queries are the last n_q of these"
            " numbers."
        ),
        (
            "A text of length 3 in a row of 8 begins at column 5. So column j is text where j >="
            " n_k - length: a table (b, n_k)."
        ),
        (
            "Two conditions with &: text[:, None, :] is (b, 1, n_k), and column <= asks[:, None] is"
            " (n_q, n_k)."
        ),
        (
            "The place of column c in its text is c - (n_k - length), and np.maximum(…, 0) where"
            " that is padding."
        ),
    ],
)
