"""What people bring to a picture: the weights of one text, with its tokens and its mask."""

from collections.abc import Mapping, Set
from itertools import chain
from typing import NamedTuple

import numpy as np

from attnlib import _brought, _check


class OneText(NamedTuple):
    """The weights of one text, and what belongs to them."""

    weights: np.ndarray  # (..., n_q, n_k)
    tokens: list  # or None, and so the others
    key_tokens: list
    mask: np.ndarray  # boolean


def brought(
    weights,
    tokens=None,
    key_tokens=None,
    mask=None,
    *,
    batch=None,
    most=4,
    signed=False,
    apart=False,
    masked=False,
    name="weights",
):
    """Whatever was brought, as `OneText`: checked but for the shapes that a picture takes.

    batch    the text that is meant, where there is more than one
    most     so many axes a picture takes: those of length 1 in front of them go
    signed   the numbers are no weights, so that they cannot be scores taken for them
    apart    layers that are large may stay apart, as `Layers`: they are read one at a time
    masked   without a mask, that of a `Trace` is meant
    """
    found = _brought.brought(name, weights, batch)
    array = found.array
    if not apart or isinstance(array, np.ndarray):
        array = _check.floats(name, array, "n_q n_k")
    while array.ndim > most and len(array) == 1:
        array = array[0]
    if most < array.ndim <= 4:
        axes = ", ".join(["layers", "heads", "n_q", "n_k"][-most:])
        chosen = " and ".join(["a layer", "a head"][4 - array.ndim : 4 - most])
        raise ValueError(
            f"{name} must have the shape ({axes}), got {array.shape}: choose {chosen} first"
        )
    if not signed:
        _brought.no_scores(name, array)
    n_q, n_k = array.shape[-2:]
    tokens = found.tokens if tokens is None else tokens
    if tokens is not None:
        tokens = of_one_text("tokens", tokens, n_q, batch)
        if found.joined and len(tokens) == n_q + 1:
            raise ValueError(
                f"tokens has {n_q + 1} names, and generate() looked from {n_q}: the token that it"
                " wrote last has not looked yet, give tokens[:-1]"
            )
    if key_tokens is not None:
        key_tokens = of_one_text("key_tokens", key_tokens, n_k, batch)
    if mask is None and masked:
        mask = found.mask
    elif mask is not None:
        mask = _mask_of_one_text(_check.allowed("mask", mask), batch, found.texts, n_q)
    if mask is not None:
        axes = array.ndim if most == 4 else 2
        while axes < mask.ndim <= 4 and len(mask) == 1:
            mask = mask[0]
    return OneText(array, tokens, key_tokens, mask)


def brought_in_steps(weights, steps, *given, **how):
    """The same of several steps, (steps, …, n_q, n_k): whatever was brought at each of them, with a
    name for each.
    """
    if not isinstance(weights, (list, tuple)):
        weights = _check.floats("weights", weights, "steps n_q n_k")
    names = _check.texts("steps", steps)
    if len(names) != len(weights) or not names:
        raise ValueError(
            f"steps has {len(names)} names, but weights has {len(weights)} steps in front"
        )
    found = [brought(one, *given, name=f"weights[{k}]", **how) for k, one in enumerate(weights)]
    shapes = [one.weights.shape for one in found]
    if len(set(shapes)) > 1:
        other = next(k for k, shape in enumerate(shapes) if shape != shapes[0])
        raise ValueError(
            f"weights must have one shape in all steps, got {shapes[0]} in {names[0]!r} and"
            f" {shapes[other]} in {names[other]!r}"
        )
    shut = [one.mask for one in found]
    mask = shut[0] if all(np.array_equal(one, shut[0]) for one in shut[1:]) else None
    return found[0]._replace(weights=np.stack([one.weights for one in found]), mask=mask)


def _mask_of_one_text(mask, batch, texts, n_q):
    """A mask of the batch, (b, n_k) or (b, 1 or h, 1 or n_q, n_k), at the text that is meant."""
    if batch is not None and texts > 1 and len(mask) == texts and mask.ndim in (2, 4):
        if mask.ndim == 2 and texts == n_q:
            raise ValueError(
                f"mask {mask.shape} may be (batch, n_k) or (n_q, n_k) here: give mask[{batch}], or"
                " mask[None]"
            )
        mask = mask[batch]
    return mask


def of_one_text(name, tokens, n, batch=None):
    """The tokens of one text as a list, however they were brought: the text that `batch` says,
    where there are several; two lists that have n tokens together are a pair of sentences.
    """
    tokens = listed(name, tokens)
    if not any(isinstance(one, list) for one in tokens):
        return tokens
    texts = [one if isinstance(one, list) else [one] for one in tokens]
    if len(texts) == 1 or sum(map(len, texts)) == n:
        return [*chain(*texts)]
    if batch is not None:
        return texts[_check.integer("batch", batch, 0, len(texts) - 1)]
    raise ValueError(
        f"{name} must be of one text, and holds those of {len(texts)}: the weights of a batch"
        " are no layers and no heads. Choose a text: batch=0 where a picture takes it, or"
        f" {name}[0] with weights[0]"
    )


def listed(name, tokens):
    """Tokens as a list of strings and numbers; those of several texts as a list of such lists."""
    own = getattr(tokens, "tokens", None)  # of a tokenizer's Encoding, or a `Trace`
    tokens = own if isinstance(own, list) else tokens
    if isinstance(tokens, (str, bytes)):
        raise TypeError(
            f"{name} must be a list of strings, one per token; cut the text first, for example with"
            " tokenize(text)"
        )
    if isinstance(tokens, Mapping) or callable(own):
        raise TypeError(
            f"{name} must be a list, one per token, got a {type(tokens).__name__}: give"
            f" {name}.tokens(), or tokenizer.convert_ids_to_tokens({name}['input_ids'][0])"
        )
    if hasattr(tokens, "__array__") or hasattr(tokens, "detach"):
        tokens = _check.array(name, tokens).tolist()
    if isinstance(tokens, Set) or not hasattr(tokens, "__iter__"):
        raise TypeError(f"{name} must be a list of strings, one per token, got {tokens!r}")
    return [_one(f"{name}[{i}]", one) for i, one in enumerate(tokens)]


def _one(name, token):
    """One token, or the list of those of a text."""
    if isinstance(token, bytes):
        return token.decode("utf-8", "backslashreplace")
    if isinstance(token, (str, int, float)):
        return token
    if hasattr(token, "__array__") or hasattr(token, "detach"):
        token = _check.array(name, token).tolist()  # a number, or a list
    return listed(name, token) if isinstance(token, (list, tuple)) else token
