"""GGUF: a model in one file, its numbers in a few bits each, as llama.cpp and Ollama keep them.

A file is a header, metadata, a list of tensors, and their numbers in blocks: 32 or 256 of them
share a scale. Nothing is executed; the numbers stay in the file until `Packed.numbers` turns one
tensor into float32. Whatever is wrong with a file is a ValueError before any memory is taken.

The form: ggml-org/ggml, docs/gguf.md; the blocks: ggml-quants.c.
"""

import math
import mmap
import os
import struct
from pathlib import Path
from typing import NamedTuple

import numpy as np

from attnlib.models.files.config import short

FORMS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
STRING, ARRAY = 8, 9
AXES, ALIGNED = 4, 2**16
MOST = 4_000_000  # keys, tensors and strings: published files have up to 600,000
AT_ONCE = 2**16  # numbers that are unpacked together: they stay in the processor's cache
FIX = "Fetch the file anew"


class Kind(NamedTuple):
    """How numbers are packed: so many in a block of so many bytes, and how they are unpacked."""

    name: str
    numbers: int
    bytes: int
    unpack: callable  # blocks (n, bytes) of uint8 -> (n, numbers) float32


# ---- blocks of numbers ---------------------------------------------------------------------------


def _half(blocks, at):
    """The float16 at a place of each block: (n, 1) float32"""
    return blocks[:, at : at + 2].copy().view("<f2").astype(np.float32)


def _nibbles(packed, width):
    """Two numbers of 4 bits in a byte, `width` low halves, then the high ones: (n, -1, width)"""
    halves = packed.reshape(len(packed), -1, 1, width) >> np.array([[0], [4]], np.uint8)
    return (halves & 15).reshape(len(packed), -1, width)


def _bits(packed, each):
    """Numbers of `each` bits, of every byte the lowest first, 32 of them a row: (n, -1, 32)"""
    shifts = np.arange(0, 8, each, dtype=np.uint8)[:, None]
    found = packed.reshape(len(packed), -1, 1, 32) >> shifts & (1 << each) - 1
    return found.reshape(len(packed), -1, 32)


def f32(blocks):
    """Four bytes a number, as they are."""
    return blocks.view("<f4")


def f16(blocks):
    """Two bytes a number."""
    return blocks.view("<f2").astype(np.float32)


def bf16(blocks):
    """The upper half of a float32."""
    return (blocks.view("<u2").astype(np.uint32) << 16).view(np.float32)


def q8_0(blocks):
    """scale · q, q of 8 bits."""
    return _half(blocks, 0) * blocks[:, 2:].view(np.int8)


def q4_0(blocks):
    """scale · (q - 8), q of 4 bits."""
    return _half(blocks, 0) * (_nibbles(blocks[:, 2:], 16).reshape(-1, 32).astype(np.int8) - 8)


def q4_1(blocks):
    """scale · q + least, q of 4 bits."""
    return _half(blocks, 0) * _nibbles(blocks[:, 4:], 16).reshape(-1, 32) + _half(blocks, 2)


def _fives(blocks, at):
    """q of 5 bits: the fifth of each stands apart, 32 in four bytes at a place. (n, 32)"""
    fifth = np.unpackbits(blocks[:, at : at + 4], axis=1, bitorder="little")
    return _nibbles(blocks[:, at + 4 :], 16).reshape(-1, 32) | fifth << 4


def q5_0(blocks):
    """scale · (q - 16), q of 5 bits."""
    return _half(blocks, 0) * (_fives(blocks, 2).astype(np.int8) - 16)


def q5_1(blocks):
    """scale · q + least, q of 5 bits."""
    return _half(blocks, 0) * _fives(blocks, 4) + _half(blocks, 2)


def _eighths(blocks):
    """Of each eighth of a block of 256 its scale and its least number, (n, 8, 1) each: 6 bits each,
    times those of the block.
    """
    low, mid, high = blocks[:, 4:16].reshape(-1, 3, 4).swapaxes(0, 1)
    scale = np.concatenate([low & 63, high & 15 | low >> 2 & 48], axis=1)
    least = np.concatenate([mid & 63, high >> 4 | mid >> 2 & 48], axis=1)
    return (_half(blocks, 0) * scale)[..., None], (_half(blocks, 2) * least)[..., None]


def q4_k(blocks):
    """scale · q - least, q of 4 bits, in eighths of 32."""
    scale, least = _eighths(blocks)
    return (scale * _nibbles(blocks[:, 16:], 32) - least).reshape(-1, 256)


def q5_k(blocks):
    """scale · q - least, q of 5 bits, in eighths of 32."""
    scale, least = _eighths(blocks)
    fives = _nibbles(blocks[:, 48:], 32) | _bits(blocks[:, 16:48], 1) << 4
    return (scale * fives - least).reshape(-1, 256)


def q6_k(blocks):
    """scale · (q - 32), q of 6 bits, in sixteenths of 16, whose scales have 8 bits."""
    sixes = _nibbles(blocks[:, :128], 64).reshape(-1, 8, 32) | _bits(blocks[:, 128:192], 2) << 4
    scale = _half(blocks, 208) * blocks[:, 192:208].view(np.int8)
    return (scale[..., None] * (sixes.reshape(-1, 16, 16).astype(np.int8) - 32)).reshape(-1, 256)


KINDS = {
    0: Kind("F32", 1, 4, f32),
    1: Kind("F16", 1, 2, f16),
    2: Kind("Q4_0", 32, 18, q4_0),
    3: Kind("Q4_1", 32, 20, q4_1),
    6: Kind("Q5_0", 32, 22, q5_0),
    7: Kind("Q5_1", 32, 24, q5_1),
    8: Kind("Q8_0", 32, 34, q8_0),
    12: Kind("Q4_K", 256, 144, q4_k),
    13: Kind("Q5_K", 256, 176, q5_k),
    14: Kind("Q6_K", 256, 210, q6_k),
    30: Kind("BF16", 1, 2, bf16),
}
UNREAD = {9: "Q8_1", 10: "Q2_K", 11: "Q3_K", 15: "Q8_K", 16: "IQ2_XXS", 17: "IQ2_XS", 18: "IQ3_XXS"}
UNREAD |= {19: "IQ1_S", 20: "IQ4_NL", 21: "IQ3_S", 22: "IQ2_S", 23: "IQ4_XS", 24: "I8", 25: "I16"}
UNREAD |= {26: "I32", 27: "I64", 28: "F64", 29: "IQ1_M", 34: "TQ1_0", 35: "TQ2_0", 39: "MXFP4"}


class Packed:
    """A tensor of a file, still packed. It has the shape of its array, and becomes one when asked.

    shape   as NumPy has it: the file says the axes in the other order
    kind    "Q4_1", how it is packed
    """

    dtype = np.dtype(np.float32)

    def __init__(self, shape, kind, raw):
        self.shape, self._kind, self._raw = tuple(shape), kind, raw

    kind = property(lambda self: self._kind.name)
    ndim = property(lambda self: len(self.shape))
    size = property(lambda self: math.prod(self.shape))

    @np.errstate(all="ignore")  # a scale may be infinite
    def numbers(self, order="C"):
        """The numbers, an array of float32, a matrix with order "F" column by column: unpacked some
        rows at a time, straight into their places.
        """
        found = np.empty(self.shape, np.float32, order if self.ndim == 2 else "C")
        rows = found.reshape(-1, self.shape[-1])
        raw, step = self._raw.reshape(len(rows), -1), max(1, AT_ONCE // self.shape[-1])
        for i in range(0, len(rows), step):
            blocks = raw[i : i + step].reshape(-1, self._kind.bytes)
            rows[i : i + step] = self._kind.unpack(blocks).reshape(-1, self.shape[-1])
        return found

    def __array__(self, dtype=None, copy=None):  # for np.array_equal, say
        return self.numbers().astype(dtype or self.dtype, copy=False)

    def __len__(self):
        return self.shape[0]

    def __getitem__(self, rows):
        """Some rows of a matrix, a slice: packed as before."""
        start, stop, _ = rows.indices(len(self))
        size = self._raw.size // len(self)
        raw = self._raw[start * size : stop * size]
        return Packed((stop - start, *self.shape[1:]), self._kind, raw)

    def __repr__(self):
        return f"Packed({self.shape}, {self.kind!r})"


class Gguf(NamedTuple):
    """What a file holds."""

    about: dict  # its metadata: {"llama.block_count": 30, …}
    tensors: dict  # {name: Packed}


# ---- reading -------------------------------------------------------------------------------------


class _Bytes:
    """The bytes of a file, read from the front; nothing is taken that is not there."""

    def __init__(self, data, path):
        self.data, self.path, self.at, self.things = data, path, 4, 0

    def wrong(self, why):
        return ValueError(f"{str(self.path)!r} is damaged or no GGUF file: {why}. {FIX}")

    def skip(self, n, what):
        """The place before the next n bytes."""
        if n > len(self.data) - self.at:
            raise self.wrong(
                f"{what} takes {n:,} bytes at {self.at:,}, and the file has {len(self.data):,}"
            )
        self.at += n
        return self.at - n

    def take(self, form, what):
        return struct.unpack_from(
            f"<{form}", self.data, self.skip(struct.calcsize(f"<{form}"), what)
        )[0]

    def count(self, n, what):
        """So many things are to come. They are taken one by one, and end with the file."""
        self.things += n
        if self.things > MOST:
            raise self.wrong(f"it says {n:,} {what}; all together may be {MOST:,}")
        return range(n)

    def text(self, what):
        n = self.take("Q", what)
        at = self.skip(n, what)
        try:
            return self.data[at : at + n].decode("utf-8")
        except UnicodeDecodeError as error:
            raise self.wrong(f"{what} at {at:,} is not UTF-8: {error.reason}") from None

    def value(self, kind, what):
        if kind == STRING:
            return self.text(what)
        if kind in FORMS:
            return self.take(FORMS[kind], what)
        if kind != ARRAY:
            raise self.wrong(f"{what} is of a kind that is not known ({kind})")
        inner, n = self.take("I", what), self.take("Q", what)
        if inner == STRING:
            return [self.text(what) for _ in self.count(n, "strings")]
        if inner not in FORMS:
            found = "arrays" if inner == ARRAY else f"a kind that is not known ({inner})"
            raise self.wrong(f"{what} is an array of {found}; strings and numbers are read")
        form = np.dtype(FORMS[inner]).newbyteorder("<")
        return np.frombuffer(self.data, form, n, self.skip(n * form.itemsize, what))


def read(path) -> Gguf:
    """A GGUF file: its metadata, and its tensors as they are packed."""
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {str(path)!r}")
    if os.path.getsize(path) < 24:
        raise ValueError(f"{str(path)!r} is no GGUF file: it is too short. {FIX}")
    with open(path, "rb") as file:
        data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    source = _Bytes(data, path)
    if data[:4] != b"GGUF":
        raise source.wrong(f"it begins with {data[:4]!r}")
    version = source.take("I", "the version")
    if version not in (2, 3):
        turned = " (its bytes stand in the other order)" if version >> 24 in (1, 2, 3) else ""
        raise ValueError(f"{str(path)!r} is GGUF of version {version}{turned}; 2 and 3 are read")
    n_tensors, n_keys = source.take("Q", "a count"), source.take("Q", "a count")
    about = {}
    for _ in source.count(n_keys, "keys"):
        key = source.text("a key")
        if key in about:
            raise source.wrong(f"the key {key[:80]!r} stands there twice")
        about[key] = source.value(source.take("I", repr(key[:80])), repr(key[:80]))
    parts = about.get("split.count", 1)
    if type(parts) is not int or parts != 1:
        raise ValueError(
            f"{str(path)!r} is one of {short(parts)} files of a model (split.count), which are not"
            " read: join them with llama.cpp's llama-gguf-split --merge"
        )
    return Gguf(about, _tensors(source, n_tensors, about.get("general.alignment", 32)))


def _tensors(source, n, aligned):
    """The list of tensors, each with its place in the file -> {name: Packed}"""
    if type(aligned) is not int or not 1 <= aligned <= ALIGNED:
        raise source.wrong(f"general.alignment is {short(aligned)}")
    listed = {}
    for _ in source.count(n, "tensors"):
        name = source.text("a tensor")
        what = f"the tensor {name[:80]!r}"
        if name in listed:
            raise source.wrong(f"{what} stands there twice")
        axes = source.take("I", what)
        if not 1 <= axes <= AXES:
            raise source.wrong(f"{what} has {axes} axes")
        shape = [source.take("Q", what) for _ in range(axes)][::-1]
        kind, at = source.take("I", what), source.take("Q", what)
        if kind not in KINDS:
            packed = UNREAD.get(kind, f"the type {kind}")
            only = ", ".join(one.name for one in KINDS.values())
            raise ValueError(
                f"{str(source.path)!r}: {what} is packed as {packed}, which is not read here; read"
                f" are {only}. Take the model in one of these, say Q8_0 or Q4_K_M"
            )
        listed[name] = shape, KINDS[kind], at
    start, end = -(-source.at // aligned) * aligned, 0
    found, raw = {}, np.frombuffer(source.data, np.uint8)
    for name, (shape, kind, at) in sorted(listed.items(), key=lambda item: item[1][2]):
        what, size = f"the tensor {name[:80]!r}", math.prod(shape)
        if not size or shape[-1] % kind.numbers:
            raise source.wrong(f"{what} has the shape {tuple(shape)}, packed as {kind.name}")
        if at % aligned or at < end:
            raise source.wrong(f"{what} begins at {at:,}, within another or between two places")
        end = at + size // kind.numbers * kind.bytes
        if start + end > len(raw):
            raise source.wrong(f"{what} ends at {start + end:,}, and the file at {len(raw):,}")
        found[name] = Packed(shape, kind, raw[start + at : start + end])
    return found
