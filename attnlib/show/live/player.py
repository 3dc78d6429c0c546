"""A film of heat maps or pictures, with a play button, steps, and a scrubber."""

import io
import struct

import numpy as np
import traitlets
from PIL import Image

from attnlib import _check
from attnlib.show.labels import axis_names, unmarked, visible
from attnlib.show.live.base import HERE, Live, joined, style
from attnlib.show.parts import Grid, side_by_side
from attnlib.show.sheet import DPI, MARGIN, PAGE, Picture, line, on_paper, text_width, under

MOST = 10_000_000  # bytes of all frames: a notebook that keeps them stays a notebook
FINE = (
    4_000_000  # up to so many bytes, a number crosses as one of 65,534 levels, above as one of 254
)
STRIP = 6  # frames in the still picture
LARGEST = 25_000  # bytes of the still picture
SIGNATURE = b"\x89PNG\r\n\x1a\n"


class Player(Live):
    """Frames to play, to step through, and to scrub; it runs in the page, without a kernel.

    frames      arrays (n_q, n_k), or one array (steps, n_q, n_k): heat maps on one scale; where
                some are smaller, as while a text grows, the rest of them stays empty. Or pictures:
                figures of matplotlib, or PNG as bytes
    names       of the frames; captions: a sentence for each, shown with it
    tokens      n_q names of the rows; key_tokens: n_k names of the columns, the same unless given
    vmax        the number of the darkest colour: 1 for shares, else the largest, unless given
    title       a line above the words
    speed       1 shows a frame for at most 1.2 seconds, and all in about 12; 2 is twice as fast

    `step` is the number of the frame, from 0: it comes back when the film rests, and may be set.
    Keys: space plays and pauses, arrows step, Home and End go to the ends; on a heat map the arrows
    choose a cell, whose number over all steps is drawn above the scrubber.
    """

    _esm = joined("player")
    _css = style() + (HERE / "player.css").read_text(encoding="utf-8")

    step = traitlets.Int(0).tag(sync=True)
    speed = traitlets.Float(1.0).tag(sync=True)
    title = traitlets.Unicode("").tag(sync=True)
    _film = traitlets.Dict().tag(sync=True)
    _frames = traitlets.Bytes(b"").tag(sync=True)

    def __init__(
        self,
        frames,
        *,
        names=None,
        captions=None,
        tokens=None,
        key_tokens=None,
        vmax=None,
        title="",
        speed=1.0,
    ):
        frames, alts = _given(frames)
        n = len(frames)
        self.names = [str(k + 1) for k in range(n)] if names is None else _words("names", names, n)
        self.captions = _words("captions", [""] * n if captions is None else captions, n)
        film = {"count": n, "names": self.names, "numbered": names is None}
        if alts is not None:
            if tokens is not None or key_tokens is not None or vmax is not None:
                raise ValueError(
                    "tokens, key_tokens and vmax name the cells of arrays, not pictures"
                )
            more, blob = _pictures(frames, alts, self.names, self.captions)
        else:
            more, blob = _maps(frames, tokens, key_tokens, vmax)
        self.frames = frames
        super().__init__(
            speed=_check.positive("speed", speed),
            title=str(title),
            _film=film | more | {"captions": self.captions if any(self.captions) else []},
            _frames=blob,
        )

    @traitlets.validate("step")
    def _exists(self, proposal):
        return _check.integer("step", proposal["value"], 0, len(self.names) - 1)

    @traitlets.validate("speed")
    def _runs(self, proposal):
        return _check.positive("speed", proposal["value"])

    # ---- the still picture: a strip of at most six frames ----

    def _still(self):
        n = len(self.frames)
        drawn = _pictures_of if "ends" in self._film else _maps_of
        for most, size in [(STRIP, 1), (4, 1), (STRIP, 0.6), (3, 0.8), (2, 0.45), (1, 0.4)]:
            chosen = np.unique(np.linspace(0, n - 1, min(n, most)).round().astype(int)).tolist()
            frames = [self.frames[k] if "ends" in self._film else self._grid(k) for k in chosen]
            picture = drawn(frames, [self.names[k] for k in chosen], size, title=self.title)
            if len(picture.png()) <= LARGEST:
                break
        said = ", ".join(self.names[k] for k in chosen)
        kind = "pictures" if "ends" in self._film else "heat maps"
        picture.alt = f"{self.title or 'A film'}: {len(chosen)} of {n} {kind}, {said}."
        if "ends" not in self._film:
            ends = [f"{self.names[k]}: {self._grid(k).describe(top=2)}" for k in sorted({0, n - 1})]
            picture.alt += f" {' '.join(ends)}"
        lines = [
            f"{name}: {unmarked(words)}" for name, words in zip(self.names, self.captions) if words
        ]
        return picture, "\n".join(lines[:40])

    def _grid(self, k):
        n_q, n_k = self.frames[k].shape
        low, high = self._film["scale"]
        tokens, keys = self._film["tokens"][:n_q], self._film["key_tokens"][:n_k]
        return Grid("frames", self.frames[k], tokens, keys, None, low < 0, high)


@on_paper
def _maps_of(grids, names, size, *, title):
    return side_by_side(grids, names, title, most=PAGE * size)


@on_paper
def _pictures_of(frames, names, size, *, title):
    """Pictures under their names, up to three to a row; `size`: 1 for all of a page's width."""
    columns = min(3, len(frames))
    wide = (PAGE - MARGIN) * size / columns - MARGIN
    images = []
    for frame in frames:
        image = Image.open(io.BytesIO(frame)).convert("RGB")
        zoom = min(1, wide * DPI / image.width)
        images.append(image.resize([max(1, round(side * zoom)) for side in image.size]))
    step = max(*(image.width / DPI for image in images), *map(text_width, names)) + MARGIN
    rows = [images[at : at + columns] for at in range(0, len(images), columns)]
    highs = [max(image.height for image in row) / DPI + line() + MARGIN for row in rows]
    picture = Picture(MARGIN + step * columns, under(title) + sum(highs), title=title)
    for at, (image, name) in enumerate(zip(images, names)):
        x = MARGIN + at % columns * step
        y = under(title) + sum(highs[: at // columns])
        picture.write(x, y, name, weight="bold", va="top")
        picture.place(np.asarray(image), x, y + line(), image.width / DPI, image.height / DPI)
    return picture


# ---- what is given -------------------------------------------------------------------------------


def _given(frames):
    """The frames as a list of arrays, and None; or as a list of PNGs, and what each shows."""
    if isinstance(frames, (str, bytes, dict)) or hasattr(frames, "savefig"):
        raise TypeError(
            f"frames must be a sequence of arrays or of pictures, got one {type(frames).__name__}"
        )
    one = not hasattr(frames, "__iter__") and not hasattr(frames, "__getitem__")
    if one or isinstance(frames, (set, type)) or not getattr(frames, "ndim", 1):
        raise TypeError(
            f"frames must be a sequence of arrays or of pictures, got {_check.short(frames)}"
        )
    frames = list(frames)
    if not frames:
        raise ValueError("frames must have at least one frame")
    drawn = [isinstance(one, (bytes, bytearray)) or hasattr(one, "savefig") for one in frames]
    if all(drawn):
        alts = [getattr(one, "alt", "") for one in frames]
        return [_png(k, one) for k, one in enumerate(frames)], alts
    if any(drawn):
        raise TypeError("frames must be arrays or pictures, not some of both")
    return [_array(k, one) for k, one in enumerate(frames)], None


def _array(k, frame):
    name = f"frames[{k}]"
    array = _check.floats(name, frame, "")
    if array.ndim != 2 or not array.size:
        raise ValueError(
            f"{name} must have the shape (n_q, n_k), got {array.shape}; choose a head, as"
            " weights[:, head]"
        )
    if np.isinf(array).any():
        raise ValueError(f"{name} must be finite or NaN, and holds an infinity")
    return array.astype(np.float32)  # a copy: a loop may go on to write into its own


def _png(k, frame):
    if isinstance(frame, (bytes, bytearray)):
        if not frame.startswith(SIGNATURE):
            raise ValueError(f"frames[{k}] must be the bytes of a PNG file")
        return bytes(frame)
    if isinstance(frame, Picture):
        return frame.png()
    out = io.BytesIO()
    frame.savefig(out, format="png")
    return out.getvalue()


def _words(name, value, n):
    if isinstance(value, str):
        raise TypeError(f"{name} must be a list of strings, one per frame, got {value!r}")
    words = [str(one) for one in value]
    if len(words) != n:
        raise ValueError(f"{name} has {len(words)} entries, but there are {n} frames")
    return words


def _fits(size, n):
    """ValueError if the frames are too many for a page, with the way out."""
    if size > MOST:
        every = -(-size // MOST)
        raise ValueError(
            f"{n} frames take {size / 1e6:.0f} MB, and a page takes {MOST / 1e6:.0f}: show"
            f" one of {every}, frames[::{every}], or smaller ones"
        )


def _pictures(frames, alts, names, captions):
    _fits(sum(map(len, frames)), len(frames))
    sizes = [struct.unpack(">II", frame[16:24]) for frame in frames]
    alts = [alt or unmarked(words) or name for alt, name, words in zip(alts, names, captions)]
    ends = np.cumsum([0, *map(len, frames)]).tolist()
    return {"ends": ends, "sizes": [list(one) for one in sizes], "alts": alts}, b"".join(frames)


def _maps(frames, tokens, key_tokens, vmax):
    n_q, n_k = (max(frame.shape[axis] for frame in frames) for axis in (0, 1))
    if key_tokens is None and n_q == n_k:
        key_tokens = tokens
    tokens = axis_names("tokens", tokens, n_q, visible)
    key_tokens = axis_names("key_tokens", key_tokens, n_k, visible, "n_k")
    numbers = np.concatenate([frame[np.isfinite(frame)] for frame in frames])
    low, high = (float(numbers.min()), float(numbers.max())) if numbers.size else (0.0, 0.0)
    largest = max(abs(low), abs(high))
    if vmax is None:
        vmax = max(largest, 1e-12) if low < 0 or largest > 1 + 1e-6 else 1.0
    vmax = _check.positive("vmax", vmax)
    _fits(len(frames) * n_q * n_k, len(frames))
    wide = 2 if 2 * len(frames) * n_q * n_k <= FINE else 1
    top = 256**wide - 3
    levels = np.full((len(frames), n_q, n_k), top + 1)  # not there
    for level, frame in zip(levels, frames):
        unit = (frame - low) / ((high - low) or 1)
        level[: frame.shape[0], : frame.shape[1]] = np.where(
            np.isnan(frame), top + 2, np.round(np.nan_to_num(unit) * top)
        )
    return {
        "wide": wide,
        "shape": [len(frames), n_q, n_k],
        "range": [low, high],
        "scale": [-vmax if low < 0 else 0.0, vmax],
        "tokens": tokens,
        "key_tokens": key_tokens,
    }, levels.astype(f"<u{wide}").tobytes()
