"""The paper that pictures are drawn on: colours and themes, and a Figure that shows itself in a
notebook.
"""

import base64
import io
import textwrap
import threading
from contextlib import contextmanager
from functools import lru_cache, wraps

import numpy as np
from matplotlib import rcParams, rcParamsDefault
from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import IdentityTransform
from PIL import Image

from attnlib import _check
from attnlib.show.brought import listed
from attnlib.show.labels import drawable, fonts

# one colour each, in every picture of the course
QUERY, KEY, VALUE = "#D55E00", "#009E73", "#CC79A7"
THEMES = {
    "light": {
        "paper": "#ffffff",
        "ink": "#1b1f24",
        "faint": "#6b7280",
        "blocked": "#e9eaec",
        "hatch": "#b4b8bf",
        "nan": "#d4002a",
        "allowed": "#8b97a7",
        "line": "#d9dce1",
        "band": "#f4f6f9",
        "good": "#007a59",
        "query_text": "#b04e00",
        "key_text": "#007a59",
        "value_text": "#a3507d",
        "weights": ["#f7fbff", "#c6dbef", "#6baed6", "#2171b5", "#08306b"],
        "values": ["#fdf6fa", "#efd0e2", "#cc79a7", "#94457a", "#571f44"],
        "counts": ["#faf8f5", "#e0d9cf", "#a89d8e", "#655b4e", "#2a2520"],
        "signed": ["#7f3b08", "#e08214", "#fee0b6", "#f7f7f7", "#d8daeb", "#8073ac", "#2d004b"],
        "lines": ["#2171b5", "#a8650a", "#6a3d9a", "#4d5866", "#157a80", "#b3245a"],
    },
    "dark": {
        "paper": "#181a1f",
        "ink": "#e8eaed",
        "faint": "#9aa0aa",
        "blocked": "#2b2e35",
        "hatch": "#565b66",
        "nan": "#ff5c77",
        "allowed": "#64748a",
        "line": "#343841",
        "band": "#20232a",
        "good": "#3fd0a5",
        "query_text": "#ff9a52",
        "key_text": "#3fd0a5",
        "value_text": "#f0a6cd",
        "weights": ["#1d2733", "#1f4468", "#2b73b3", "#6fb1e4", "#e3f1fd"],
        "values": ["#2b1d27", "#5c2f4b", "#a85a87", "#e39cc4", "#fbe6f2"],
        "counts": ["#25231f", "#454037", "#7a7266", "#b5ac9e", "#f3efe8"],
        "signed": ["#fdb863", "#c76b12", "#6b3a0c", "#23252b", "#453a66", "#8274bd", "#cfc6f2"],
        "lines": ["#6fb1e4", "#e0a458", "#b79ce0", "#b4bcc8", "#5cc4c8", "#ef7ba5"],
    },
}
_theme = THEMES["light"]

DPI = 96  # dots per inch: 9 pt are 12 px on a page
SMALL, TEXT, PART, TITLE = 9, 10, 11, 12  # pt: marks, text, names of parts, titles; none is smaller
PAGE, HALF = 9.5, 4.75  # inches: a figure is as wide as a page, or half of it where two go together
MARGIN = 0.12  # inches around everything on a sheet
LINES = 6  # of a title that is longer than the page is wide
AREAS = 16  # colours of a saved picture that are kept exactly
SCALE = 33  # steps of a scale of colours in it
RARE, CELL = 16, 100  # dots of a colour that is rare; of one that may be that of a cell


def line(size=SMALL):
    """Inches from one line of text to the next."""
    return round(1.4 * size / 72, 2)


def wide(title):
    """Inches of a sheet that a title needs."""
    return 2 * MARGIN + text_width(title, TITLE) if title else 0


def under(title):
    """Inches from the top of a sheet to what stands below its title, or below nothing."""
    return MARGIN + (line(TITLE) + MARGIN / 2 if title else 0)


def theme(name):
    """Choose "light" or "dark" for every picture that is drawn from now on."""
    global _theme
    _theme = THEMES[_check.choice("name", name, list(THEMES))]


@contextmanager
def drawn_on(name):
    """with drawn_on("dark"): pictures drawn here are dark, whatever was chosen; None leaves it as
    it is.
    """
    global _theme
    before = _theme
    if name is not None:
        theme(name)
    try:
        yield
    finally:
        _theme = before


def colour(name):
    """One colour, or one scale of colours, of the chosen theme."""
    return _theme[name]


def ink_on(colours):
    """White or black, whichever is easier to read on each colour (..., 3 or 4): the contrast is at
    least 4.5. -> (...) of str

    Relative luminance and contrast as in WCAG 2.2; both inks are alike at a luminance of 0.179.
    """
    rgb = np.asarray(colours)[..., :3]
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return np.where(linear @ [0.2126, 0.7152, 0.0722] < 0.179, "#ffffff", "#000000")


# ---- a door for every picture --------------------------------------------------------------------

# what a reader may have set, and still means
THEIRS = (
    "backend",
    "svg.hashsalt",
    "savefig.dpi",
    "savefig.format",
    "savefig.directory",
    "savefig.transparent",
)
OURS = {name: value for name, value in rcParamsDefault.items() if not name.startswith(THEIRS)}
OURS["svg.hashsalt"] = "attnlib"  # the same names in every file


_plain = {"lock": threading.Lock(), "inside": 0, "theirs": {}}


@contextmanager
def plain():
    """matplotlib as it comes: a style sheet, a size of type or a font that was set for other
    figures changes none of ours. The last to leave puts back what was set.
    """
    with _plain["lock"]:
        if not _plain["inside"]:
            _plain["theirs"] = dict.copy(rcParams)
            dict.update(rcParams, OURS)
        _plain["inside"] += 1
    try:
        yield
    finally:
        with _plain["lock"]:
            _plain["inside"] -= 1
            if not _plain["inside"]:
                dict.update(rcParams, _plain["theirs"])


def inches(name, value):
    """A size on paper."""
    found = _check.positive(name, value)
    if found > 100:
        raise ValueError(f"{name} must be at most 100 inches, got {found:g}")
    return found


def which_axes(name, value):
    """Which of two axes are logarithmic."""
    if not isinstance(value, str) or value not in ("", "x", "y", "xy"):
        raise ValueError(f'{name} must be "", "x", "y" or "xy", got {_check.short(value)}')
    return value


KINDS = {
    **dict.fromkeys(("title", "axis", "value_name", "who", "limit_name"), _check.text),
    **dict.fromkeys(("width", "height"), inches),
    **dict.fromkeys(("vmax", "temperature", "scale", "full", "limit"), _check.positive),
    **dict.fromkeys(("show_mask", "signed", "compact", "sums", "numbers"), _check.flag),
    **dict.fromkeys(("tokens", "key_tokens", "names", "value_names"), listed),
    **dict.fromkeys(("titles", "texts", "captions"), _check.texts),
    "axes": _check.pair,
    "log": which_axes,
}


def on_paper(function=None, **kinds):
    """A door for every picture: what the arguments of these names must be, a long title in several
    lines, and matplotlib as it comes.

    kinds   what else this picture asks of its arguments, or in another way
    """

    def before(draw):
        @wraps(draw)
        def drawn(*given, **options):
            with plain(), np.errstate(over="ignore", invalid="ignore"):
                *above, last = _lines(options.get("title", ""))
                if not above:
                    return draw(*given, **options)
                picture = draw(*given, **options | {"title": last})
                picture.below(above)
                picture.alt = picture.alt.replace(last, options["title"], 1)
                return picture

        return _check.door(**KINDS | kinds)(drawn)

    return before if function is None else before(function)


def _lines(title):
    """A title as a line, or as several that are not too wide."""
    wide, room = text_width(title, TITLE), PAGE - 2 * MARGIN
    if wide <= room and "\n" not in title:
        return [title]
    title = drawable(title)
    letters = max(int(len(title) * room / max(wide, room)), 1)  # on average
    while True:
        lines = textwrap.wrap(title, letters, max_lines=LINES, placeholder=" …") or [""]
        if letters < 20 or max(text_width(one, TITLE) for one in lines) <= room:
            return lines
        letters = letters * 9 // 10


class Label(Text):
    """Text that is drawn once and then stamped: a slider draws the same words again and again."""

    def draw(self, renderer):
        if not isinstance(renderer, RendererAgg) or not self.get_visible() or not self.get_text():
            return super().draw(renderer)
        looks = (
            self.get_text(),
            self.get_size(),
            self.get_color(),
            self.get_weight(),
            self.get_rotation(),
        )
        stands = (self.get_ha(), self.get_va(), self.get_rotation_mode(), renderer.dpi)
        x, y = self.get_transform().transform(self.get_position())
        if (looks, stands) not in _stamps:
            if len(_stamps) > 5000:
                _stamps.clear()
            _stamps[looks, stands] = self._stamp(renderer, round(x), round(y))
        image, right, up = _stamps[looks, stands]
        gc = renderer.new_gc()
        renderer.draw_image(gc, round(x) + right, round(y) + up, image)
        gc.restore()

    def _stamp(self, renderer, x, y):
        """The text as an image, and how far its lower left corner is from the point (x, y) where it
        stands.
        """
        box = self.get_window_extent(renderer)
        left, low = int(np.floor(box.x0)) - 2, int(np.floor(box.y0)) - 2
        small = RendererAgg(int(box.width) + 6, int(box.height) + 6, renderer.dpi)
        where = self.get_position(), self.get_transform()
        self.set_position((x - left, y - low))
        self.set_transform(IdentityTransform())
        super().draw(small)
        self.set_position(where[0])
        self.set_transform(where[1])
        return np.asarray(small.buffer_rgba())[::-1].copy(), left - x, low - y


_stamps = {}


class Picture(Figure):
    """A matplotlib Figure that knows its own description and shows itself in a notebook, without
    pyplot.
    """

    def __init__(self, width, height, dpi=DPI, *, title=""):
        """width, height in inches; the title stands in the corner, and the sheet has room for it"""
        width = max(width, wide(title))
        # whole dots
        width, height = ((np.ceil(inches * dpi - 1e-6) + 0.01) / dpi for inches in (width, height))
        super().__init__(figsize=(width, height), dpi=dpi, facecolor=colour("paper"))
        FigureCanvasAgg(self)
        self.alt = ""
        self.many_colours = False  # of a photograph: its own 256, not those of our palette
        # one sheet of paper, measured in inches from the top left
        self.sheet = self.add_axes((0, 0, 1, 1))
        self.sheet.set(xlim=(0, width), ylim=(height, 0))
        self.sheet.axis("off")
        if title:
            self.write(MARGIN, MARGIN, title, size=TITLE, weight="bold", va="top")

    def write(self, x, y, text, *, size=SMALL, color=None, over=None, **how):
        """Put text on the sheet, or `over` other axes; dollar signs and angle brackets are just
        characters.
        """
        how = {
            "size": size,
            "color": color or _theme["ink"],
            "family": fonts(),
            "parse_math": False,
            **how,
        }
        label = Label(x, y, drawable(text), transform=self.sheet.transData, **how)
        label.set_figure(self)
        (over or self.sheet)._add_text(label)
        return label

    def place(self, image, x, y, width, height):
        """Put an image (rows, columns, colours) on the sheet with its top left corner at (x, y)."""
        self.sheet.imshow(
            image, extent=(x, x + width, y + height, y), aspect="auto", interpolation="nearest"
        )
        self.sheet.set(xlim=(0, self.get_figwidth()), ylim=(self.get_figheight(), 0))

    def below(self, lines):
        """Make the sheet taller, and write these lines above all that is on it."""
        width, height = self.get_size_inches()
        room = line(TITLE) * len(lines)
        broad = max(width, *map(wide, lines))
        for axes in self.axes:
            x, y, w, h = axes.get_position(original=True).bounds
            axes.set_position(
                (
                    x * width / broad,
                    y * height / (height + room),
                    w * width / broad,
                    h * height / (height + room),
                )
            )
        self.set_size_inches(broad, height + room)
        for i, one in enumerate(lines):
            y = MARGIN + line(TITLE) * i - room
            self.write(MARGIN, y, one, size=TITLE, weight="bold", va="top")

    def draw(self, renderer):
        with plain():
            super().draw(renderer)

    def savefig(self, *given, **options):
        with plain():
            super().savefig(*given, **options)

    def png(self, *, fast=False):
        """The picture as bytes, in at most 256 colours to keep notebooks small; `fast` for a
        slider: all colours, larger.
        """
        self.canvas.draw()
        image = Image.frombuffer(
            "RGBA", self.canvas.get_width_height(), self.canvas.buffer_rgba()
        ).convert("RGB")
        out = io.BytesIO()
        if fast:
            image.save(out, "png", compress_level=1)
        else:
            few = image.quantize(256) if self.many_colours else _few_colours(image)
            few.save(out, "png", optimize=True)
        return out.getvalue()

    def svg(self):
        """The picture as SVG bytes, the same every time."""
        out = io.BytesIO()
        self.savefig(out, format="svg", metadata={"Date": None})
        return out.getvalue()

    def _repr_mimebundle_(self, include=None, exclude=None):
        data = {"image/png": base64.b64encode(self.png()).decode(), "text/plain": self.alt}
        return data, {"image/png": {"alt": self.alt}}


@lru_cache(maxsize=5000)
def text_width(text, size=SMALL, weight="bold"):
    """Inches that a text needs."""
    if not text:
        return 0.0
    label = _ruler().write(0, 0, text, size=size, weight=weight)
    width = label.get_window_extent().width / DPI
    label.remove()
    return width


@lru_cache(maxsize=1)
def _ruler():
    """A sheet to measure on: making one takes longer than all the rest."""
    return Picture(1, 1)


def _fade(*colours, steps):
    return LinearSegmentedColormap.from_list("fade", colours, N=256)(np.linspace(0, 1, steps))[
        :, :3
    ]


def _scales(areas):
    """The scales of a picture that has these colours in cells (m, 3): both that most have, and
    those that three of them lie on.
    """
    more = []
    for name in ("values", "counts"):
        scale = np.rint(_fade(*colour(name), steps=256)[64:] * 255)  # without its palest
        far = np.abs(areas[:, None] - scale).max(axis=-1).min(axis=-1)
        more += [name] if (far <= 1).sum() > 2 else []
    return [*more, "weights", "signed"]


def _palette(scales):
    """The colours of a saved picture: these scales in fine steps, and each ink fading into the
    paper. (n, 3)
    """
    inks = [
        _fade(colour("paper"), colour(name), steps=steps)
        for name, steps in [("ink", 4), ("faint", 3), ("nan", 3)]
    ]
    said = [colour(f"{name}_text") for name in ("query", "key", "value")]
    inks += [
        _fade(colour("paper"), accent, steps=3)
        for accent in (QUERY, KEY, VALUE, *said, *colour("lines"))
    ]
    areas = [
        _fade(colour("blocked"), colour("hatch"), steps=3),
        _fade(colour("paper"), colour("allowed"), steps=3),
    ]
    fine = [_fade(*colour(name), steps=SCALE) for name in scales]
    return np.rint(np.concatenate([*inks, *areas, *fine]) * 255).astype(np.int32)


def _few_colours(image):
    """The picture in at most 256 colours: those of its largest areas exactly, the rest from the
    palette.
    """
    counted = sorted(image.getcolors(image.width * image.height), reverse=True)
    areas = np.array([rgb for _, rgb in counted[:AREAS]])
    scales = _scales(np.array([rgb for number, rgb in counted if number >= CELL] or areas))
    palette = np.concatenate([areas, _palette(scales)])
    # each pixel's colour as one number
    codes = np.asarray(image).astype(np.int32) @ [65536, 256, 1]
    found, place, count = np.unique(codes, return_inverse=True, return_counts=True)
    found = np.stack([found >> 16, found >> 8 & 255, found & 255], axis=-1)
    far = ((found[:, None] - palette) ** 2).sum(axis=-1)
    between = np.arange(len(palette)) >= len(palette) - len(scales) * SCALE
    between[-2 * SCALE :: 8] = False
    far[np.ix_(count < RARE, between)] = far.max()  # the edges of letters need no fine steps
    used, nearest = np.unique(far.argmin(axis=-1), return_inverse=True)
    few = Image.fromarray(nearest[place].reshape(codes.shape).astype(np.uint8), "P")
    few.putpalette(palette[used].astype(np.uint8).tobytes())
    return few
