"""Decoding: how an encoder-decoder writes a target, token by token.

greedy       always the likeliest token next
Rules        what a published model may write
beam_search  the few likeliest targets side by side
"""

from typing import NamedTuple

import numpy as np

from attnlib import _check
from attnlib.attention import log_softmax
from attnlib.heads import KVCache
from attnlib.layers import LayerCache


def greedy(model, ids, *, start, end, n_max, source_mask=None, begun=(), rules=None):
    """Write the target token by token, always the likeliest one next.

    ids          (n_source,) -> the target (n,), or (b, n_source) -> a list of b targets
    start, end   the ids that stand before a target and that end it; neither is returned
    n_max        how many tokens a target may have, `end` counted
    source_mask  as in `Seq2Seq.logits`
    begun        (n_begun,) or (b, n_begun): how the targets begin, whatever the model would write
    rules        `Rules` for what may come next, None for none
    """
    start, end, n_max = _checked_ends(model, start, end, n_max)
    ids = _check.array("ids", ids)
    one, rows = ids.ndim == 1, np.atleast_2d(ids)
    mask = None
    if source_mask is not None:
        mask = np.atleast_2d(_check.boolean("source_mask", source_mask))
    begun = _checked_beginnings(begun, len(rows), len(model.target_embedding))
    caches, written = model.caches(), [begun]  # and (b, 1) of each step
    fresh, ended = np.insert(begun, 0, start, axis=1), np.zeros(len(rows), bool)
    for _ in range(n_max - begun.shape[1]):
        logits = model.logits(rows, fresh, source_mask=mask, caches=caches)[
            :, -1
        ]  # (b, vocabulary)
        if rules is not None:
            targets = np.insert(np.concatenate(written, axis=1), 0, start, axis=1)
            logits = rules.applied(logits, targets, n_max + 1)
        fresh = logits.argmax(axis=-1)[:, None]  # (b, 1)
        written.append(fresh)
        ended |= fresh[:, 0] == end
        if ended.all():
            break
    targets = [_before(end, row) for row in np.concatenate(written, axis=1)]
    return targets[0] if one else targets


class Rules(NamedTuple):
    """What a published model may write, as its generation_config.json says: by the names there.

    A target is counted with its start in front. Each rule bars tokens or forces them, in this
    order.
    """

    eos_token_id: int  # no target of fewer than min_length tokens ends
    repetition_penalty: float = 1.0  # divides the scores above 0 of what was written, …
    no_repeat_ngram_size: int = 0  # no n tokens in a row twice
    bad_words_ids: list = ()  # lists of tokens: none is written
    min_length: int = 0
    min_new_tokens: int = None  # the same without the start, and in its place
    forced_bos_token_id: int = None  # the first token
    forced_eos_token_id: list = ()  # the last one where a target is cut: one of these
    suppress_tokens: list = ()  # never written
    begin_suppress_tokens: list = ()  # not as the first token, or the second behind a forced one

    def applied(self, logits, targets, n_max):
        """The logits (b, vocabulary) of what comes behind targets (b, n) under the rules; a target
        may have n_max tokens, its start counted.
        """
        logits = logits.copy()
        for row, target in zip(logits, targets.tolist()):
            self._apply(row, target, n_max)
        return logits

    def _apply(self, row, target, n_max):
        known, n = np.array(sorted(set(target))), len(target)
        factor = np.where(row[known] < 0, self.repetition_penalty, 1 / self.repetition_penalty)
        row[known] *= factor.astype(row.dtype)
        row[self._ends_of_seen(target)] = -np.inf
        for word in self.bad_words_ids:
            *begun, last = word
            fits = len(begun) <= n and target[n - len(begun) :] == begun
            if fits and word != [self.eos_token_id]:
                row[last] = -np.inf
        least = self.min_length if self.min_new_tokens is None else self.min_new_tokens + 1
        if n < least:
            row[self.eos_token_id] = -np.inf
        forced = [self.forced_bos_token_id] if n == 1 else []
        forced = self.forced_eos_token_id if n == n_max - 1 and self.forced_eos_token_id else forced
        if forced and forced != [None]:
            row[...] = -np.inf
            row[forced] = 0
        row[list(self.suppress_tokens)] = -np.inf
        if n == (1 if self.forced_bos_token_id is None else 2):
            row[list(self.begin_suppress_tokens)] = -np.inf

    def _ends_of_seen(self, target):
        """The tokens that would end a run of no_repeat_ngram_size that is there already."""
        size = self.no_repeat_ngram_size
        if not 0 < size <= len(target):
            return []
        begun = target[len(target) - size + 1 :]
        runs = (target[i : i + size] for i in range(len(target) - size + 1))
        return [run[-1] for run in runs if run[:-1] == begun]


class Hypothesis(NamedTuple):
    """A target that beam search has begun or ended."""

    ids: tuple  # without `start`, with `end` where it is there
    tokens: list  # the same as strings
    log_probability: float  # the sum over its tokens, in nats
    score: float  # by which it is ranked: the same over the length penalty
    finished: bool  # its last token is `end`
    parent: int  # which of the hypotheses kept one step before it continues


class BeamStep(NamedTuple):
    """One step of beam search, best hypotheses first."""

    kept: list  # the n_beams best, finished or not: they go on
    dropped: list  # the n_beams best of the others: they end here


def beam_search(model, ids, *, start, end, n_beams, n_max, length_penalty=0):
    """Keep the n_beams likeliest beginnings of a target, and lengthen all of them by a token.

    ids             (n_source,)
    start, end, n_max   as in `greedy`
    n_beams         how many are kept; 1 is greedy decoding
    length_penalty  α: log-probability / ((5 + n) / 6)^α ranks them, n with `end`. 0 compares the
                    log-probabilities, which favours short targets
                    (Wu et al. 2016, "Google's Neural Machine Translation System", equation 14)
    returns         a `BeamStep` per step; the answer is steps[-1].kept[0]. It ends when all kept
                    hypotheses have ended: an ended one keeps its score and its place in the race
    """
    start, end, n_max = _checked_ends(model, start, end, n_max)
    n_beams = _check.integer("n_beams", n_beams)
    power = _check.not_negative("length_penalty", length_penalty)
    if power > 100:
        raise ValueError(f"length_penalty must be at most 100, got {power:g}")
    kept, steps = [Hypothesis((), [], 0.0, 0.0, False, 0)], []
    source, caches, fresh, rows = _check.array("ids", ids)[None], model.caches(), [start], [0]
    while len(steps) < n_max and fresh:
        logits = model.logits(source, np.array(fresh)[:, None], caches=caches)[:, -1]
        source = None  # from now on in the caches
        candidates = _candidates(kept, log_softmax(logits.astype(np.float64)), end, power)
        steps.append(BeamStep(candidates[:n_beams], candidates[n_beams : 2 * n_beams]))
        live = [h for h in steps[-1].kept if not h.finished]
        row_of = {
            parent: row
            for row, parent in enumerate(i for i, h in enumerate(kept) if not h.finished)
        }
        rows, fresh = [row_of[h.parent] for h in live], [h.ids[-1] for h in live]
        caches, kept = _reordered(caches, rows), steps[-1].kept
    return steps


def _candidates(kept, log_shares, end, power):
    """Every live hypothesis with every token behind it, and the ended ones as they are: best first.

    log_shares   (live, vocabulary)
    """
    found, rows = [], iter(log_shares)
    for parent, h in enumerate(kept):
        if h.finished:
            found.append(h._replace(parent=parent))
            continue
        penalty = ((5 + len(h.ids) + 1) / 6) ** power
        for i, log_share in enumerate(next(rows)):
            total = h.log_probability + float(log_share)
            grown = ((*h.ids, i), [*h.tokens, str(i)], total, total / penalty, i == end, parent)
            found.append(Hypothesis(*grown))
    return sorted(found, key=lambda h: -h.score)  # of equals the first stay first


def _reordered(caches, rows):
    """Caches that hold these rows of the batch, in this order."""
    if not rows:
        return caches
    fresh = [LayerCache(KVCache(), KVCache()) for _ in caches]
    for layer, old in zip(fresh, caches):
        for cache, held in zip(layer, old):
            cache.append(held.k[rows], held.v[rows])
    return fresh


def _before(end, ids):
    """The ids in front of the first `end`."""
    ends = np.flatnonzero(ids == end)
    return ids[: ends[0]] if len(ends) else ids


def _checked_beginnings(begun, n_rows, vocabulary):
    """(n_rows, n_begun)"""
    begun = np.atleast_2d(
        _check.ids("begun", begun, vocabulary)
        if _check.array("begun", begun).size
        else np.zeros(0, int)
    )
    if len(begun) not in (1, n_rows):
        raise ValueError(
            f"begun must have the shape (n_begun,) or ({n_rows}, n_begun), got {begun.shape}"
        )
    return np.broadcast_to(begun, (n_rows, begun.shape[1]))


def _checked_ends(model, start, end, n_max):
    _check.able("model", model, "logits", "caches", about="an encoder-decoder")
    last = len(model.target_embedding) - 1
    start, end = (
        _check.integer(*pair, minimum=0, maximum=last) for pair in (("start", start), ("end", end))
    )
    return start, end, _check.integer("n_max", n_max, maximum=model.n_max)
