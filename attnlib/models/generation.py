"""Generation: a language model goes on with a text, one token at a time.

The model scores every possible next token, one of them is drawn, and the text is one longer.
A model is anything with `logits(ids, …)` and `caches()` as `GPT` has them.

next_token_shares   how likely each token is the next one
generate            whole texts, one or many
stream              the tokens of one text as they come
"""

from functools import partial

import numpy as np

from attnlib import _check
from attnlib.attention import softmax


def next_token_shares(logits, *, temperature=1.0, top_k=None, top_p=None):
    """How likely each token is the next one: softmax(logits / temperature), then of the best top_k
    alone, then of those that reach top_p.

    logits       (..., vocabulary)
    temperature  1 as the model was trained; lower favours the best tokens, higher evens out;
                 0 gives all to the best one (the first of equals)
    top_k        only the top_k best tokens keep a share, all unless given
                 (Fan, Lewis and Dauphin 2018, section 5.4); of equals the first stay
    top_p        only the nucleus keeps a share: the fewest of the best tokens whose shares, behind
                 temperature and top_k, are top_p or more in sum (Holtzman et al. 2020, "The
                 Curious Case of Neural Text Degeneration", section 3.1)
    returns      (..., vocabulary), each row 1 in sum, in the dtype of the logits
    """
    logits = _check.below_infinity("logits", _check.floats("logits", logits, "vocabulary"))
    temperature, top_k, top_p = _checked_sampling(temperature, top_k, top_p)
    work = logits.astype(np.float64)
    peak = work.max(axis=-1, keepdims=True, initial=-np.inf)
    if (peak == -np.inf).any():
        raise ValueError("logits must leave at least one token a score above -inf in every row")
    where = None if top_k is None else _best(work, top_k)
    with np.errstate(over="ignore"):  # -inf gets the share 0
        shares = softmax((work - peak) / temperature, where=where)  # (..., vocabulary)
    if top_p is not None:
        shares = np.where(_nucleus(shares, top_p), shares, 0)
        shares /= shares.sum(axis=-1, keepdims=True)
    return shares.astype(logits.dtype)


def _best(scores, n):
    """Which are the n best of each row; of equals the first: (..., vocabulary), n (..., 1) or one
    number -> boolean (..., vocabulary)
    """
    n = np.broadcast_to(np.minimum(n, scores.shape[-1]), (*scores.shape[:-1], 1))
    least = np.take_along_axis(np.sort(scores, axis=-1), -n, axis=-1)  # (..., 1) the n-th best
    better, equal = scores > least, scores == least
    room = n - better.sum(axis=-1, keepdims=True)
    return better | (equal & (equal.cumsum(axis=-1) <= room))


def _nucleus(shares, p):
    """Which are the fewest of the best that have p together: boolean (..., vocabulary)"""
    ranked = -np.sort(-shares, axis=-1)  # the best first
    before = ranked.cumsum(axis=-1) - ranked  # what the better ones have
    return _best(shares, (before < p).sum(axis=-1, keepdims=True))


def generate(
    model, ids, *, n_new, temperature=1.0, top_k=None, top_p=None, stop=None, cached=True, rng=None
):
    """Go on with one text, or with several at once.

    ids      one text, (n,) -> the text and what follows, (n + n_new,)
             a list of texts, of any lengths -> a list of such arrays. They are decoded as one
             batch, with padding on their left that nobody sees; at temperature 0 each becomes
             what it becomes alone, up to rounding
    n_new    how many new tokens
    temperature, top_k, top_p   as in `next_token_shares`
    stop     an id that ends a text, which is then shorter, or a list of such ids; the one that
             came stays as the last one
    cached   True: with KV caches a step reads one token; False: it reads the whole text again
    rng      numpy Generator that draws the tokens, default_rng(0) unless given

    Interrupted (Ctrl-C), it hands back what is there.
    """
    texts, one = _checked_texts(ids)
    stop = _checked_stop(stop)
    steps = _decoder(model, texts, n_new, (temperature, top_k, top_p), stop, cached, rng)
    new = []  # (b,) of each step
    try:
        for following in steps:
            new.append(following)
    except KeyboardInterrupt:
        pass
    rows = np.array(new, int).reshape(len(new), len(texts)).T  # (b, n_new)
    full = [np.concatenate([text, _through(stop, row)]) for text, row in zip(texts, rows)]
    return full[0] if one else full


def stream(
    model, ids, *, n_new, temperature=1.0, top_k=None, top_p=None, stop=None, cached=True, rng=None
):
    """Each new token of one text as soon as it is there: for token in stream(…).

    ids      (n,)
    n_new, temperature, top_k, top_p, stop, cached, rng   as in `generate`
    returns  an iterator over whole numbers
    """
    text, stop = _checked_text("ids", ids), _checked_stop(stop)
    steps = _decoder(model, [text], n_new, (temperature, top_k, top_p), stop, cached, rng)
    return (int(following[0]) for following in steps)


def _decoder(model, texts, n_new, sampling, stop, cached, rng):
    """Checks what a user gave; then the iterator of `_decode`."""
    _check.able("model", model, "logits", "caches", about="a language model")
    _check.flag("cached", cached)
    n_new, rng = _check.integer("n_new", n_new), _check.generator(rng)
    temperature, top_k, top_p = _checked_sampling(*sampling)
    longest, n_max = max(map(len, texts)), getattr(model, "n_max", None)
    if n_max is not None and longest + n_new - 1 > n_max:  # the last one is not read
        found = f"{longest} ids and n_new={n_new} make {longest + n_new - 1} to read"
        raise ValueError(f"the model can read {n_max} tokens, but {found}")
    draw = partial(_draw, temperature=temperature, top_k=top_k, top_p=top_p, rng=rng)
    return _decode(model, texts, n_new, draw, stop, cached)


def _decode(model, texts, n_new, draw, stop, cached):
    """Yields the next token of every text, (b,), until there are n_new or all have stopped."""
    ids, padding = _left_padded(texts)  # (b, n), (b,)
    caches = model.caches() if cached else None
    fresh, stopped = ids, np.zeros(len(ids), bool)
    for _ in range(n_new):
        around = _around_padding(padding, fresh.shape[1], ids.shape[1])
        logits = model.logits(fresh, caches=caches, **around)[:, -1]  # (b, vocabulary)
        following = draw(logits)  # (b,)
        yield following
        stopped |= np.isin(following, stop)
        if stopped.all():
            return
        ids = np.concatenate([ids, following[:, None]], axis=1)
        fresh = following[:, None] if cached else ids  # (b, 1): the rest is known


def _draw(logits, *, rng, **sampling):
    """One token per row, each as often as its share says: (b, vocabulary) -> (b,)"""
    shares = next_token_shares(logits, **sampling)
    return np.array([rng.choice(len(row), p=row) for row in shares])


def _left_padded(texts):
    """Texts that end together, (b, n), and how much padding stands before each, (b,)."""
    lengths = np.array([len(text) for text in texts])
    ids = np.zeros((len(texts), lengths.max()), int)  # any id will do: it is hidden
    for row, text in zip(ids, texts):
        row[len(row) - len(text) :] = text
    return ids, lengths.max() - lengths


def _around_padding(padding, n, n_k):
    """For the last n of n_k tokens: a mask that hides the padding, and positions behind it."""
    if not padding.any():
        return {}
    places = np.arange(n_k) - padding[:, None]  # (b, n_k), below 0 on padding
    mask = (places >= 0)[:, None, None, :]  # (b, 1, 1, n_k)
    return {"mask": mask, "positions": np.maximum(places[:, n_k - n :], 0)}


def _through(stop, ids):
    """The ids as far as the first of `stop`, itself included."""
    stops = np.flatnonzero(np.isin(ids, stop))
    return ids[: stops[0] + 1] if len(stops) else ids


def _checked_sampling(temperature, top_k, top_p):
    """Temperature 0 is said as top_k=1 at temperature 1, and top_p=1 as None."""
    temperature = _check.not_negative("temperature", temperature)
    top_k = None if top_k is None else _check.integer("top_k", top_k)
    if top_p is not None and _check.positive("top_p", top_p) > 1:
        raise ValueError(f"top_p must be at most 1, for all the shares, got {top_p!r}")
    top_p = None if top_p in (None, 1) else float(top_p)
    return (1.0, 1, None) if temperature == 0 else (temperature, top_k, top_p)


def _checked_stop(stop):
    """None, an id or several -> a list of ids."""
    if stop is None:
        return []
    if isinstance(stop, (list, tuple)) or getattr(stop, "ndim", 0):
        ids = _check.row("stop", stop, "ids")
        return [_check.integer(f"stop[{i}]", one, minimum=0) for i, one in enumerate(ids)]
    return [_check.integer("stop", stop, minimum=0)]


def _checked_texts(ids):
    """A list of texts, each an array (n,), and whether `ids` was one text."""
    try:
        one = np.ndim(ids[0]) == 0
    except (TypeError, IndexError, KeyError, ValueError):  # a number, nothing at all
        one = True
    if one:
        return [_checked_text("ids", ids)], True
    return [_checked_text(f"ids[{i}]", text) for i, text in enumerate(ids)], False


def _checked_text(name, ids):
    """ids as an array of whole numbers (n,), with at least one."""
    try:
        text = _check.array(name, ids)
    except ValueError:
        raise ValueError(f"{name} must be one text, (n,); a list of texts: generate") from None
    if text.ndim != 1 or text.size == 0:
        raise ValueError(f"{name} must have the shape (n,) with n at least 1, got {text.shape}")
    if text.dtype.kind not in "iu":
        raise TypeError(f"{name} must be whole numbers, got an array of {text.dtype}")
    return text
