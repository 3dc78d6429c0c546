"""Questions to a trained model, each put to as many texts as you have: one text is an anecdote.

a GPT           surprise, copies: how well a text is guessed, and its second copy beside the first
the reverser    and the date reader: what they do behind errors, with another text before them,
                beyond their training
"""

import numpy as np

from attnlib import _check
from attnlib.models.seq2seq import Seq2Seq
from attnlib.models.translator import Translator
from attnlib.training.backward import cross_entropy
from attnlib.training.translation import WEEKDAYS


def surprise(logits, ids, *, first=1):
    """How surprised a model is by a text: the mean of -log(share of the token that came), in nats.

    logits  (..., n, vocabulary), what the model said when it read ids
    ids     (..., n), one text or texts of the same length
    first   the tokens from this place on are counted; 1 for all that have one before them
    """
    logits, ids, first = _read(logits, ids, first)
    return cross_entropy(logits[..., first - 1 : -1, :], ids[..., first:])[0]


def _read(logits, ids, first):
    """Logits for each id, ids with two tokens at least, and a place behind the first."""
    logits, ids = _check.floats("logits", logits, "n vocabulary"), _check.whole("ids", ids)
    if ids.shape != logits.shape[:-1] or ids.shape[-1] < 2:
        wanted = f"(..., n), a place for each of the logits {logits.shape}, and two at least"
        raise ValueError(f"ids must have the shape {wanted}, got {ids.shape}")
    if ids.min() < 0 or ids.max() >= logits.shape[-1]:
        found = f"got {ids.min()} to {ids.max()}"
        raise ValueError(f"ids must lie between 0 and {logits.shape[-1] - 1}, {found}")
    return logits, ids, _check.integer("first", first, 1, ids.shape[-1] - 1)


def _twice(model, ids):
    """A model with logits; ids, one and then a text twice; and the length of the text."""
    _check.able("model", model, "logits")
    ids = _check.array("ids", ids)
    m = ids.size // 2
    fits = ids.ndim == 1 and m and ids.size == 1 + 2 * m and ids.dtype.kind in "iu"
    if not fits or (ids[1 : 1 + m] != ids[1 + m :]).any():
        wanted = "one token and then a text twice, whole numbers (1 + 2m,)"
        raise ValueError(f"ids must be {wanted}, got {ids.dtype} {ids.shape}")
    return ids, m


def copies(model, ids):
    """The surprise at the first copy of a text, and at the second one right behind it. (2,)

    model   with logits(ids), as `GPT`
    ids     (1 + 2m,) a token to begin with, <start>, and the text of m tokens, twice
    """
    ids, m = _twice(model, ids)
    logits = model.logits(ids)
    one, two = surprise(logits[: m + 1], ids[: m + 1]), surprise(logits, ids, first=m + 1)
    return np.array([one, two])


def untrained(translator, seed=0):
    """A `Translator` of the same shape and with the same signs, whose matrices are random."""
    sizes = len(translator.source), len(translator.target)
    model = Seq2Seq(*sizes, **translator.about["model"], rng=np.random.default_rng(seed))
    return Translator(model, translator.source, translator.target)


def shuffled(words, rng):
    """Each word with its letters in a random order."""
    return ["".join(rng.permutation(list(word))) for word in words]


def largest_change(translator, text, other, target=None, head=0):
    """How far a weight of the first cross-attention moves when another text of the same length is
    read: the largest change.

    target   what is written in both cases; unless given, what the model writes for each
    """
    traces = [translator(one, target=target) for one in (text, other)]
    before, after = [trace.cross_weights[0, head] for trace in traces]  # (n_target, n_source) each
    return float(np.abs(before - after).max())


def follows_the_source(translator, words, others):
    """The share of words where the model, told that it writes the reverse of a word, predicts the
    reverse of the other that it reads.
    """
    found = []
    for word, other in zip(words, others):
        predicted = translator(other, target=word[::-1]).output.argmax(axis=-1)
        right = translator.target.encode(other[::-1])
        found.append(np.array_equal(predicted[:-1], right[:-1]))  # without what follows the word
    return float(np.mean(found))


def behind_errors(reader, examples):
    """What the date reader writes behind beginnings that are not its own -> words for it and the
    share of the dates.
    """
    texts, right = [one.text for one in examples], [one.target for one in examples]
    century = reader.translate(texts, [f"{(int(one[:2]) + 1) % 20 + 10}" for one in right])
    lacking = reader.translate(texts, [one[:3] + "-" for one in right])
    early = [one for one in examples if "03" <= one.target[5:7] <= "09"]
    later = reader.translate([one.text for one in early], [one.target[:5] + "1" for one in early])
    shares = {
        "another century: all behind it is right": [a[2:] == b[2:] for a, b in zip(century, right)],
        "a digit lacks: ten signs all the same": [len(a) == len(b) for a, b in zip(lacking, right)],
        "a digit lacks: the month is right": [
            b[5:7] in (a[4:6], a[5:7]) for a, b in zip(lacking, right)
        ],
        "a digit lacks: the day stands at its usual place": [
            a[8:] == b[8:] for a, b in zip(lacking, right)
        ],
        "1 for the 0 of a month: no such month": [a[5:7] not in ("10", "11", "12") for a in later],
    }
    return {name: float(np.mean(share)) for name, share in shares.items()}


def on_the_weekday(reader, examples):
    """Of dates with a weekday in front: the weight of the month's two digits on the weekday, and on
    the month. (n, 2)
    """
    names, shares = [day[:3].lower() for day in WEEKDAYS], []
    for one in examples:
        if one.text[:3].lower() in names:
            weights = reader(one.text, target=one.target).cross_weights[0]
            row = weights[:, 5:7].mean(axis=(0, 1))  # (n_source,)
            shares.append((row[: one.text.index(" ")].sum(), row[slice(*one.spans["month"])].sum()))
    return np.array(shares).reshape(-1, 2)
