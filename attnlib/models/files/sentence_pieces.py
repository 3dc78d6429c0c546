"""Text to numbers and back as the SentencePiece models of Llama 2, Mistral, Gemma and Phi-3 do it.

What is read is the vocabulary in a GGUF file; the algorithm is that of llama.cpp, which reads the
same: llama-vocab.cpp, "SPM".
"""

from heapq import heappop, heappush

import numpy as np

from attnlib import _check

NORMAL, UNKNOWN, CONTROL, USERS, UNUSED, BYTE = range(1, 7)  # kinds of tokens
SPACE = "▁"
BLANK = " \t\n\v\f\r"
LOOSE = "<unk>", "<s>", "<|endoftext|>"  # marks of Phi-3 that leave the white space behind them


class SentencePieces:
    """Byte pairs with scores: of all neighbours that are a piece together, those of the best score
    are joined first, until none are left. A sign that is no piece is spelt in bytes, "<0xE2>".

    tokens      (n,) strings; "▁" stands for a space
    scores      (n,) numbers
    token_type  (n,) what each is, as GGUF counts it: 1 a piece, 2 the unknown token, 3 a mark,
                4 a word that is never cut, 5 unused, 6 a byte
    bos_token_id, eos_token_id   ids that stand before and behind a text; None for none
    add_space_prefix   whether a text is read as if a space stood before it, and so each part of it
                that is behind a mark
    tight       whether marks take the white space behind them, as those of Phi-3 do but for a few

    Kudo and Richardson 2018, "SentencePiece"; the pairs: Sennrich et al. 2016, section 3.2.
    """

    start = None  # which ids stand around a text, the file knows

    def __init__(
        self,
        tokens,
        scores,
        token_type,
        *,
        bos_token_id=None,
        eos_token_id=None,
        add_space_prefix=True,
        tight=False,
    ):
        self.names = _strings("tokens", tokens)
        n = len(self.names)
        scores = _check.finite("scores", _check.floats("scores", scores, "tokens"))
        kinds = _check.array("token_type", token_type)
        if kinds.dtype.kind not in "iu":
            raise TypeError(f"token_type must hold whole numbers, got an array of {kinds.dtype}")
        for name, array in ("scores", scores), ("token_type", kinds):
            if array.shape != (n,):
                found = f"got an array of the shape {array.shape}"
                raise ValueError(f"{name} must be {n:,} numbers, one for each token, {found}")
        self.scores, self.kinds = scores.tolist(), kinds.tolist()
        self.ids = {name: i for i, name in enumerate(self.names)}
        if len(self.ids) < n:
            twice = next(name for i, name in enumerate(self.names) if self.ids[name] != i)
            raise ValueError(f"tokens must differ, got {_check.short(twice)} twice")
        self.bytes = [self.ids.get(f"<0x{byte:02X}>") for byte in range(256)]
        if None in self.bytes:
            lacks = f"<0x{self.bytes.index(None):02X}>"
            raise ValueError(f"tokens must have one for each byte, and {lacks!r} is not among them")
        self.ends = [
            [] if i is None else [_check.integer(name, i, minimum=0, maximum=n - 1)]
            for name, i in (("bos_token_id", bos_token_id), ("eos_token_id", eos_token_id))
        ]
        self.space = _check.flag("add_space_prefix", add_space_prefix)
        self.tight = _check.flag("tight", tight)
        whole = [name for name, kind in zip(self.names, self.kinds) if UNKNOWN <= kind <= USERS]
        # the longest is looked for first
        self.marks = sorted(whole, key=lambda name: len(name.encode()), reverse=True)

    def __len__(self):
        """The size of the vocabulary."""
        return len(self.names)

    def encode(self, text, *, marks=True):
        """ "The cat" -> ids (n,), those around a text included unless marks is False."""
        text, marks = _check.text("text", text), _check.flag("marks", marks)
        first, last = self.ends if marks else ([], [])
        ids = []
        for part in self._apart(text):
            if isinstance(part, int):
                ids.append(part)
            else:
                ids += self._joined(" " + part if self.space else part)
        return np.array([*first, *ids, *last], np.int64)

    def decode(self, ids, *, marks=False):
        """Ids -> the text, without the marks unless they are asked for; bytes that are not a whole
        sign are shown as �.
        """
        parts = [self._part(i, marks) for i in _ids(ids)]
        text = b"".join(parts).decode("utf-8", "replace")
        return text.removeprefix(" ") if self.space else text

    def tokens(self, ids):
        """Ids -> a string for each, a space in front where it begins a word; a byte as "<0xE2>"."""
        return [
            self.names[i].replace(SPACE, " ") if 0 <= i < len(self) else f"<{i}>" for i in _ids(ids)
        ]

    def _part(self, i, marks):
        """What a token adds to a text: bytes."""
        kind = self.kinds[i] if 0 <= i < len(self) else UNUSED  # a row without a token
        if kind == BYTE and i in self.bytes:
            return bytes([self.bytes.index(i)])
        said = kind in (NORMAL, USERS) or (marks and kind == CONTROL)
        return self.names[i].replace(SPACE, " ").encode() if said else b""

    def _apart(self, text):
        """A text -> its marks, as ids, and the strings between them."""
        parts = [text]
        for mark in self.marks:
            if mark in text:
                parts = [new for part in parts for new in self._around(mark, part)]
        return [part for part in parts if part != ""]

    def _around(self, mark, part):
        """A string -> those before, between and behind a mark, and its id between them."""
        if isinstance(part, int):
            return [part]
        found = []
        while (at := part.find(mark)) >= 0:
            found += [part[:at], self.ids[mark]]
            part = part[at + len(mark) :]
            if self.tight and mark not in LOOSE:
                part = part.lstrip(BLANK)
        return [*found, part]

    def _joined(self, text):
        """A string without marks -> the ids of its pieces."""
        signs = list(text.replace(" ", SPACE))
        before, behind = [i - 1 for i in range(len(signs))], [i + 1 for i in range(len(signs))]
        pairs = []

        def offer(left, right):  # a pair that is a piece; of equals the leftmost comes first
            if left < 0 or right >= len(signs):
                return
            piece = signs[left] + signs[right]
            if piece in self.ids:
                heappush(pairs, (-self.scores[self.ids[piece]], left, right, piece))

        for right in range(1, len(signs)):
            offer(right - 1, right)
        while pairs:
            _, left, right, piece = heappop(pairs)
            if signs[left] + signs[right] != piece:
                continue  # one of the two has been joined to another
            signs[left], signs[right] = piece, ""
            behind[left] = behind[right]
            if behind[right] < len(signs):
                before[behind[right]] = left
            offer(before[left], left)
            offer(left, behind[left])
        return [i for piece in signs if piece for i in self._spelt(piece)]

    def _spelt(self, piece):
        """The id of a piece, or those of its bytes."""
        return [self.ids[piece]] if piece in self.ids else [self.bytes[b] for b in piece.encode()]


def _ids(given):
    """Whole numbers in a row, a list."""
    ids = _check.array("ids", given)
    if ids.ndim != 1 or (ids.size and ids.dtype.kind not in "iu"):
        found = f"got {ids.dtype} {ids.shape}"
        raise ValueError(f"ids must be whole numbers of the shape (n,), {found}")
    return ids.tolist()


def _strings(name, given):
    """A list of strings; an empty one gets a name, as in llama.cpp."""
    found = _check.row(name, given)
    if not found or not all(isinstance(one, str) for one in found):
        raise TypeError(f"{name} must be a list of strings, got {_check.short(given)}")
    return [str(one) or f"[EMPTY_{i}]" for i, one in enumerate(found)]
