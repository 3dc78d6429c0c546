"""Pieces of words put together again, and the weights of the words that they make."""

import re
import unicodedata
from typing import NamedTuple

import numpy as np

from attnlib._bytes import BYTES
from attnlib.show.brought import of_one_text
from attnlib.show.labels import in_bytes, visible

BYTE = re.compile("<(?:0x)?([0-9A-F]{2})>")  # of a text that no other piece spells
HALF = re.compile(f" ?(?:{BYTE.pattern})+")  # several of them in one piece
SPECIAL = re.compile(r"<[^\s<>]+>|\[[A-Za-z]+\d*\]")  # <start>, <|im_end|>, [CLS]
UNSPACED = "\u2e80-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # Han, kana
APOSTROPHES = ("'", "’")


class Word(NamedTuple):
    """A word, and the positions of its pieces."""

    name: str
    pieces: list


def words(tokens) -> list[Word]:
    """The words that tokens are pieces of, in order, each with the positions of its pieces:
    ["▁The", "▁c", "at", "."] -> The [0], cat [1, 2], "." [3].

    Where a word begins, tokens say by their marks: Ġ, ▁ or a space before its first piece, ##
    before every other (WordPiece), </w> behind its last, @@ behind every other. Without any marks
    each token is a word. Special tokens, such as <start> or [CLS], are words by themselves. Behind
    Ġ, ▁ or a space, so are pieces without a letter or a digit, except for an apostrophe inside a
    word, and pieces of Chinese and Japanese, which write no spaces.
    """
    tokens = [str(token) for token in of_one_text("tokens", tokens, -1)]
    byte_level, joins = in_bytes(tokens), _marks(tokens)
    raws = [_raw(token, byte_level) for token in tokens]
    found = []
    for i, raw in enumerate(raws):
        alone = not i or any(map(_special, tokens[i - 1 : i + 1]))
        rest = 0x80 <= raw[0] < 0xC0 if raw else False  # of a sign
        before = b"".join(raws[n] for n in found[-1]) if found else b""
        if not alone and (rest or joins(i, raws, before)):
            found[-1].append(i)
        else:
            found.append([i])
    texts = [b"".join(raws[i] for i in pieces).decode("utf-8", "replace") for pieces in found]
    return [Word(text.strip() or text, pieces) for text, pieces in zip(texts, found)]


def spelled(tokens):
    """What of a text each token stands for, as bytes: nothing for special tokens, such as [CLS]."""
    byte_level = in_bytes(tokens)
    return [b"" if _special(token) else _raw(token, byte_level) for token in tokens]


def of_both(tokens, key_tokens, n_q, n_k):
    """The words of queries and of keys, or None where each is one token."""
    if key_tokens is None and n_q == n_k:
        key_tokens = tokens
    found = [
        words(one) if one is not None else [Word(str(i), [i]) for i in range(n)]
        for one, n in ((tokens, n_q), (key_tokens, n_k))
    ]
    several = any(len(word.pieces) > 1 for one in found for word in one)
    return found if several else None


def word_names(found):
    """The names of words as a view shows them."""
    return visible([word.name for word in found])


def by_words(weights, rows, columns):
    """Weights (..., n_q, n_k) of pieces -> of words, whose first pieces these are: a word looks as
    its pieces do on average, and is looked at as their sum. A row that adds up to 1 still does.
    """
    summed = np.add.reduceat(np.add.reduceat(weights, columns, axis=-1), rows, axis=-2)
    return summed / np.diff([*rows, weights.shape[-2]]).astype(weights.dtype)[:, None]


def allowed_by_words(mask, rows, columns):
    """A boolean mask of pieces -> of words: a word may look where any of its pieces may."""
    return np.logical_or.reduceat(np.logical_or.reduceat(mask, columns, axis=-1), rows, axis=-2)


def _special(token):
    return bool(SPECIAL.fullmatch(token)) and not BYTE.fullmatch(token) and token != "</w>"


def _raw(token, byte_level):
    """What a piece stands for in the text, as bytes: it may be half a sign."""
    if HALF.fullmatch(token):
        space = b" " if token.startswith(" ") else b""
        return space + bytes.fromhex("".join(BYTE.findall(token)))
    if _special(token):
        return token.encode("utf-8", "replace")
    token = re.sub("(?<=.)(</w>|@@)$|^##(?=.)", "", token)
    if byte_level and all(sign in BYTES for sign in token):
        return bytes(BYTES[sign] for sign in token)
    return token.replace("▁", " ").encode("utf-8", "replace")


def _marks(tokens):
    """By the marks of these tokens: joins(i, raws, before), whether token i goes on with the word
    before it.
    """
    if any(re.match("[Ġ▁ ]", token) for token in tokens):
        return _joins_behind_spaces
    marks = [
        (".+</w>$", lambda i, *_: not re.search(".</w>$", tokens[i - 1])),
        (".+@@$", lambda i, *_: bool(re.search(".@@$", tokens[i - 1]))),
        ("##.", lambda i, *_: bool(re.match("##.", tokens[i]))),
    ]
    for mark, joins in marks:
        if any(re.match(mark, token) for token in tokens):
            return joins
    return lambda *_: False


def _joins_behind_spaces(i, raws, before):
    text, last = raws[i].decode("utf-8", "ignore"), before.decode("utf-8", "ignore")[-1:]
    if raws[i].startswith(b" "):
        return False
    if not before.strip(b" "):  # a space with a piece of its own
        return True
    if not _spells(raws[i]):
        goes_on = i + 1 < len(raws) and raws[i + 1][:1] != b" " and _spells(raws[i + 1])
        return text in APOSTROPHES and _spells(before) and goes_on
    return _spells(before) and not re.search(f"[{UNSPACED}]", last + text[:1])


def _spells(raw):
    """Whether it has a letter or a digit, or half of one."""
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return True
    return any(unicodedata.category(sign)[0] in "LMN" for sign in text)
