"""Text to numbers and back: byte pairs, learned from a text, in the standard library alone."""

import re
from collections import Counter, defaultdict
from itertools import pairwise

import numpy as np

from attnlib import _check
from attnlib._bytes import readable

# A merge never crosses these pieces: 's, words and numbers with the space before them, signs,
# spaces.
PIECES = re.compile(r"'(?:[sdmt]|ll|ve|re)| ?[^\W\d_]+| ?\d{1,3}| ?(?:[^\w\s]|_)+|\s+(?!\S)|\s+")


class BytePairs:
    """Byte-pair encoding: a text is cut into bytes, and the pairs learned first are joined first.

    merges   (m, 2) whole numbers: row r joins two ids to the new id 256 + r

    Ids 0 … 255 are the bytes, so that every text can be written, also one of signs never seen;
    the last id, `start`, stands before a text and belongs to no sign.

    Sennrich et al. 2016, "Neural Machine Translation of Rare Words with Subword Units", section
    3.2; on bytes: Radford et al. 2019, section 2.2.
    """

    def __init__(self, merges):
        merges = _check.array("merges", merges)
        below = merges.dtype.kind == "i" and merges.min(initial=0) < 0
        if merges.ndim != 2 or merges.shape[1] != 2 or merges.dtype.kind not in "iu" or below:
            raise ValueError(
                f"merges must be whole numbers of the shape (m, 2), got {merges.dtype}"
                f" {merges.shape}"
            )
        self.ranks = {(a, b): 256 + r for r, (a, b) in enumerate(merges.tolist())}
        self.bytes = [bytes([i]) for i in range(256)]  # what each id stands for
        for a, b in self.ranks:
            if max(a, b) >= len(self.bytes):
                raise ValueError(
                    f"merges must join ids that are there before, got {(a, b)} at {len(self.bytes)}"
                )
            self.bytes.append(self.bytes[a] + self.bytes[b])
        self.start = len(self.bytes)
        self._known = {}  # piece -> ids

    def __len__(self):
        """The size of the vocabulary, `start` counted."""
        return self.start + 1

    def encode(self, text, *, marks=True):
        """ "The cat" -> [start, ids of "The", ids of " cat"], an array of whole numbers; without
        marks, no start.
        """
        if not isinstance(text, str):
            raise TypeError(f"text must be a string, got {type(text).__name__}")
        ids = [self.start] if marks else []
        for piece in PIECES.findall(text):
            if piece not in self._known:
                self._known[piece] = self._merge(list(piece.encode("utf-8", "replace")))
            ids += self._known[piece]
        return np.array(ids, int)

    def decode(self, ids, *, marks=False):
        """Ids -> the text; bytes that are not a whole sign are shown as �, and with marks `start`
        as "<start>".
        """
        start = b"<start>" if marks else b""
        parts = [start if i == self.start else self.bytes[i] for i in self._checked(ids)]
        return b"".join(parts).decode("utf-8", "replace")

    def tokens(self, ids):
        """Ids -> a string for each: what it stands for, its space too; a part of a sign as <C3>."""
        return [
            "<start>" if i == self.start else readable(self.bytes[i]) for i in self._checked(ids)
        ]

    def _merge(self, ids):
        """Join the pair that was learned first, until no pair is known."""
        while len(ids) > 1:
            first = min(pairwise(ids), key=lambda pair: self.ranks.get(pair, np.inf))
            if first not in self.ranks:
                break
            ids = _joined(ids, first, self.ranks[first])
        return ids

    def _checked(self, ids):
        ids = _check.array("ids", ids)
        if ids.ndim != 1 or (ids.size and ids.dtype.kind not in "iu"):
            raise ValueError(
                f"ids must be whole numbers of the shape (n,), got {ids.dtype} {ids.shape}"
            )
        if ids.size and (ids.min() < 0 or ids.max() > self.start):
            raise ValueError(
                f"ids must lie between 0 and {self.start}, got {ids.min()} to {ids.max()}"
            )
        return ids.tolist()


def learn_byte_pairs(text, vocabulary):
    """The merges that make `text` short: again and again the pair that stands there most often.

    vocabulary   how many ids there shall be in the end, bytes and `start` counted
    returns      (vocabulary - 257, 2), or fewer rows where no pair is left that stands there twice
    """
    vocabulary = _check.integer("vocabulary", vocabulary, minimum=257)
    text = _check.text("text", text)
    pieces = [
        (list(piece.encode("utf-8", "replace")), count)
        for piece, count in Counter(PIECES.findall(text)).items()
    ]
    counts, places = Counter(), defaultdict(set)  # pair -> how often, in which pieces
    for place, (ids, count) in enumerate(pieces):
        for pair in pairwise(ids):
            counts[pair] += count
            places[pair].add(place)
    merges = []
    while len(merges) < vocabulary - 257 and counts:
        best = max(counts, key=lambda pair: (counts[pair], pair))
        if counts[best] < 2:
            break
        for place in places.pop(best):
            _rewrite(pieces, place, best, 256 + len(merges), counts, places)
        del counts[best]
        merges.append(best)
    return np.array(merges, dtype=np.uint16).reshape(-1, 2)


def _rewrite(pieces, place, pair, new, counts, places):
    """Join `pair` in one piece, and count the pairs of that piece anew."""
    ids, count = pieces[place]
    for old in pairwise(ids):
        counts[old] -= count
    ids = _joined(ids, pair, new)
    for fresh in pairwise(ids):
        counts[fresh] += count
        places[fresh].add(place)
    pieces[place] = (ids, count)


def _joined(ids, pair, new):
    """[1, 2, 3, 1, 2] with (1, 2) joined to 9 -> [9, 3, 9]."""
    joined, i = [], 0
    while i < len(ids):
        if (ids[i], *ids[i + 1 : i + 2]) == pair:
            joined.append(new)
            i += 2
        else:
            joined.append(ids[i])
            i += 1
    return joined
