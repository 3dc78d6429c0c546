"""Names of tokens as a picture can show them, and the table of who looks at whom most."""

import re
import unicodedata
from collections import Counter
from functools import lru_cache

import numpy as np
from matplotlib import font_manager
from matplotlib.ft2font import FT2Font

from attnlib import _check
from attnlib._bytes import BYTES
from attnlib.show.brought import brought, of_one_text

LONGEST = 16
BLANKS = {"\n": "↵", "\t": "⇥", "\r": "⇤"}  # any other blank is ␣
# Tried after the default font, where the machine has them, for scripts which that font lacks.
MORE_FONTS = (
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",
    "Noto Sans Devanagari",
    "Noto Sans Thai",
    "Noto Sans Arabic",
    "Noto Emoji",
    "Hiragino Sans",
    "Apple Symbols",
    "Microsoft YaHei",
    "Malgun Gothic",
    "Nirmala UI",
    "Segoe UI Symbol",
)


def name_repeats(tokens):
    """Number the tokens that occur more than once: ["a", "b", "a"] -> ["a₁", "b", "a₂"]."""
    counts, seen, taken, names = Counter(tokens), Counter(), set(tokens), []
    for token in tokens:
        name = token
        while counts[token] > 1 and name in taken:  # a name that is a token already is passed over
            seen[token] += 1
            name = token + str(seen[token]).translate(str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉"))
        names.append(name)
        taken.add(name)
    return names


def printable(tokens):
    """Tokens as short names: repeats are numbered, blanks made visible, signs that no font has are
    spelled out.
    """
    return list(_printable(tuple(str(token) for token in tokens)))


@lru_cache(maxsize=64)
def _printable(tokens):  # the same text for each of many heads
    names = [_shorten("".join(map(_glyph, name))) for name in _plain(tokens)]
    return [
        _shorten(name, keep=name[len(base) :]) for name, base in zip(name_repeats(names), names)
    ]


def axis_names(name, tokens, n, spell, axis="n_q"):
    """n names for an axis: its numbers, or the tokens as `printable` or `visible` spells them."""
    if tokens is None:
        return [str(i) for i in range(n)]
    tokens = spell(of_one_text(name, tokens, n))
    if len(tokens) != n:
        raise ValueError(
            f"{name} has {len(tokens)} names, but the axis {axis} of the weights has {n} entries"
        )
    return tokens


def visible(tokens):
    """Tokens as text that can be told apart: repeats are numbered, blanks and invisible signs made
    visible.
    """
    return name_repeats(_plain(tokens))


def as_text(names):
    """What `visible` made, as pieces of a text again: no numbers of repeats, and a space where a
    word begins.
    """
    bare = [re.sub(r"(?<=.)[₀-₉]+$", "", name) for name in names]
    counts = Counter(bare)
    texts = [one if counts[one] > 1 else name for one, name in zip(bare, names)]
    if not any(re.search("^␣.|.␣$", text) for text in texts):
        return [f" {text}" for text in texts]
    return [re.sub("^␣(?=.)|(?<=.)␣$", " ", text) for text in texts]


def _plain(tokens):
    return [_seen(token) for token in without_marks(tokens)]


def without_marks(tokens):
    """Tokens as they stand in the text, without the marks of a tokenizer's file: Ġthe, ▁the,
    the</w> and <0x0A> are a space and the, the and a space, and the end of a line. Byte-level names
    are known by one that begins a word or is a blank.
    """
    tokens = [str(token) for token in tokens]
    byte_level = in_bytes(tokens)
    return [_without_marks(token, byte_level) for token in tokens]


def in_bytes(tokens):
    """Whether these are names of a byte-level tokenizer."""
    return any(re.match("Ġ|[ĊĉčĠ]+$|.+</w>$", token) for token in tokens)


def _without_marks(token, byte_level):
    if token.endswith("</w>") and token != "</w>":
        return _without_marks(token.removesuffix("</w>"), byte_level) + " "
    if byte_level and all(char in BYTES for char in token):
        text = bytes(BYTES[char] for char in token).decode("utf-8", "surrogateescape")
        # half a sign stays as it is, and so does what only looks like bytes
        return token if re.search(r"[\ud800-\udfff\0-\x08\x0b\x0c\x0e-\x1f]", text) else text
    if re.fullmatch("<0x[0-7][0-9A-F]>", token):
        return chr(int(token[3:5], 16))
    special = token.startswith("<") and token.endswith(">")  # <｜begin▁of▁sentence｜>
    return token if special else token.replace("▁", " ")


@_check.door(names=_check.texts)
def most_attended(weights, tokens, *, key_tokens=None, names=None) -> str:
    """For every token, the token it looks at most, with the weight, as a table of text.

    weights   (n_q, n_k), or (heads, n_q, n_k) for a column per head; names: the heads' names
    Where several keys share the largest weight the table says so: "all alike" or "cat and 2 more".
    """
    weights, tokens, key_tokens, _ = brought(weights, tokens, key_tokens)
    weights = weights[0] if weights.ndim == 4 and len(weights) == 1 else weights
    weights = weights[None] if weights.ndim == 2 else weights
    if weights.ndim != 3:
        raise ValueError(
            f"weights must have the shape (n_q, n_k) or (heads, n_q, n_k), got {weights.shape}"
        )
    tokens = visible(of_one_text("tokens", tokens, weights.shape[1]))
    keys = tokens
    if key_tokens is not None:
        keys = visible(of_one_text("key_tokens", key_tokens, weights.shape[2]))
    if weights.shape[1:] != (len(tokens), len(keys)):
        raise ValueError(
            f"weights has the shape {weights.shape}, but there are {len(tokens)} tokens and"
            f" {len(keys)} key tokens"
        )
    if names is None:
        names = (
            ["looks most at"] if len(weights) == 1 else [f"head {h}" for h in range(len(weights))]
        )
    if len(names) != len(weights):
        raise ValueError(f"names has {len(names)} entries, but weights has {len(weights)} heads")
    rows = [
        ["", *names],
        *([token, *(_most(w[i], keys) for w in weights)] for i, token in enumerate(tokens)),
    ]
    widths = [max(map(_width, column)) for column in zip(*rows)]
    return "\n".join(
        "  ".join(text + " " * (w - _width(text)) for text, w in zip(row, widths)).rstrip()
        for row in rows
    )


def _most(row, keys):
    """The key with the largest weight in one row, in words."""
    if np.isnan(row).any():
        return "NaN"
    if not row.any():
        return "nobody"
    best = np.flatnonzero(row >= row.max() - 1e-9)
    if len(best) > 1 and len(best) == np.count_nonzero(row):
        return f"all alike {row.max():.2f}"
    more = f" and {len(best) - 1} more" if len(best) > 1 else ""
    return f"{keys[best[0]]}{more} {row.max():.2f}"


def _width(text):
    """Columns that a text takes in a terminal."""
    if text.isascii():
        return len(text)
    return sum(
        (
            0
            if unicodedata.category(c) in ("Mn", "Me", "Cf")
            else 1 + (unicodedata.east_asian_width(c) in "WF")
        )
        for c in text
    )


def _seen(token):
    """A token without signs that steer the text; what would leave nothing to see is spelled out."""
    if not token.strip():
        return _blanks(token) or "␣"
    shown = "".join(
        c
        for c in token
        if c.isspace() or c in "\u200c\u200d" or unicodedata.category(c) not in ("Cc", "Cf", "Cs")
    )
    if all(unicodedata.category(c)[0] in "CMZ" for c in shown):
        return " ".join(f"[{ord(c):x}]" for c in token.strip())
    inner = shown.strip()
    before, after = shown.split(inner)[0], shown[shown.rindex(inner) + len(inner) :]
    inner = re.sub(r"\s", lambda blank: BLANKS.get(blank[0], " "), inner)
    return _blanks(before) + inner + _blanks(after)


def _blanks(blanks):
    """Blanks, of which each kind has its sign; many of one kind are counted: ␣×8."""
    signs = "".join(BLANKS.get(blank, "␣") for blank in blanks)
    return re.sub(r"(.)\1{4,}", lambda run: f"{run[1]}×{len(run[0])}", signs)


def _shorten(name, keep=""):
    """At most LONGEST signs, the number of a repeat, `keep`, among them."""
    if len(name) <= LONGEST:
        return name
    return name[: LONGEST - 1 - len(keep)] + "…" + keep


@lru_cache
def fonts():
    """The font families that pictures use: matplotlib's own, then those of MORE_FONTS that are
    installed.
    """
    installed = {font.name for font in font_manager.fontManager.ttflist}
    return ["DejaVu Sans", *(name for name in MORE_FONTS if name in installed)]


@lru_cache
def _faces():
    return [
        FT2Font(font_manager.findfont(font_manager.FontProperties(family=name))) for name in fonts()
    ]


def drawable(text):
    """Any text with the signs that no font has spelled out."""
    return "".join(map(_glyph, text))


@lru_cache(maxsize=10_000)
def _glyph(char):
    """The character itself if a font has it; else nothing if it is invisible, or its name in
    brackets.
    """
    if char != "\ufe0f" and any(face.get_char_index(ord(char)) for face in _faces()):
        return char
    if unicodedata.category(char)[0] in "MC" or "\U0001f3fb" <= char <= "\U0001f3ff":
        return ""
    name = unicodedata.name(char, "").lower()
    return f"[{name}]" if 0 < len(name) <= LONGEST - 2 else f"[{ord(char):x}]"


MARKS = re.compile(r"\*\*(.+?)\*\*|\*(?=\S)(.+?)\*|`(.+?)`")


def unmarked(text):
    """A question or a caption without the marks of **bold**, *slanted*, `code`."""
    return MARKS.sub(lambda found: next(filter(None, found.groups())), text)
