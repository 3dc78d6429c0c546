"""What all live pictures share in Python: a script joined with core.js, the style from the one
palette, a still picture and words beside it, and a page of its own.
"""

import base64
import html
import json
import re
import zlib
from pathlib import Path
from types import MappingProxyType

import anywidget

from attnlib import _check, _files
from attnlib.show import sheet
from attnlib.show.live import rerun
from attnlib.show.sheet import KEY, QUERY, THEMES, VALUE

HERE = Path(__file__).parent
TOKENS = {"nan": "bad"}  # what a colour of THEMES is called in CSS, where that is another name
OWN = ("layout", "comm", "keys", "tabbable", "tooltip")  # traits of the front end, not of a picture


def count(name, value):
    """A whole number, 0 or above."""
    return _check.integer(name, value, minimum=0)


def counts(name, value):
    """A list of them."""
    return [count(name, one) for one in _check.row(name, value, "whole numbers")]


NOT_HERE = ("scale", "axes", "log", "limits", "names")  # other things, in a live picture
KINDS = {name: kind for name, kind in sheet.KINDS.items() if name not in NOT_HERE}
KINDS |= {"pins": counts, "head": count, "layer": count, "names": _check.texts}

IMPORT = re.compile(r'^import \{[^}]*\} from "(\.[^"]*)";\n', re.M)


# of a script: a comment; the end of a line, and how far in the next one begins; a string, or a
# pattern, which stands where no quotient could; and what begins or ends a template
_PARTS = re.compile(
    r"""(?P<comment>[ ]*(?://[^\n]*|/\*.*?\*/))|(?P<line>\s*\n\s*)|(?P<sign>[`{}])|"""
    r""""(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|"""
    r"""(?:(?<=[(,=:[!&|?;>{}])|(?<=[(,=:[!&|?;>{}] ))/(?:\\.|\[(?:\\.|[^]\\])*\]|[^/\\[\n])+/""",
    re.S,
)
_TEMPLATE = re.compile(r"(?:\\.|[^`\\$]|\$(?!\{))*(?:`|\$\{)", re.S)  # of its text, up to some code


def bare(script):
    """JavaScript without comments, indentation and empty lines. Strings, templates and patterns
    stay as they are.
    """
    parts, at, fresh = [], 0, True  # fresh: at the beginning of a line
    braces = []  # for each template around, those that are open in its ${…}
    while found := _PARTS.search(script, at):
        parts.append(script[at : found.start()])
        fresh = fresh and not parts[-1]
        at, part = found.end(), found[0]
        if found["comment"] or (found["line"] and fresh):
            continue
        fresh = bool(found["line"])
        parts.append("\n" if fresh else part)
        if braces and part in ("{", "}"):
            braces[-1] += 1 if part == "{" else -1
        if part == "`" or (part == "}" and braces and braces[-1] < 0):
            if part == "}":
                braces.pop()
            text = _TEMPLATE.match(script, at)[0]
            parts.append(text)
            at += len(text)
            if text.endswith("${"):
                braces.append(0)
    return "".join([*parts, script[at:]])


def joined(script):
    """A picture's module and all that it imports as one module, as a front end takes it, and as
    short as it is without comments and indentation: it goes with every view and page. Each file is
    a module by itself, too: node imports them in the tests.

    script   a path, or the name of a module in this folder
    """
    path = script if isinstance(script, Path) else HERE / f"{script}.js"
    source = bare("\n".join(sources(path).values()))
    return re.sub(r"^export (?=const|let|(?:async )?function|class)", "", source, flags=re.M)


def sources(path, known=None):
    """{path: source without its imports} of a module and all that it imports, these first."""
    known, source = {} if known is None else known, path.read_text(encoding="utf-8")
    for found in IMPORT.finditer(source):
        other = (path.parent / found[1]).resolve()
        if other not in known:
            sources(other, known)
    known[path] = IMPORT.sub("", source)
    return known


def style():
    """live.css, as short as it can be, below the colours of both themes, as variables: --ink,
    --query-text, --w0 … --w4.
    """
    themes = [
        f".attnlib-live.{theme} {{ color-scheme: {theme}; {_variables(colours)} }}\n"
        for theme, colours in THEMES.items()
    ]
    css = re.sub(r"/\*.*?\*/", "", (HERE / "live.css").read_text(encoding="utf-8"), flags=re.S)
    return "".join([*themes, re.sub(r"\s*([{};])\s*", r"\1", css).strip(), "\n"])


def _variables(colours):
    said = {"query": QUERY, "key": KEY, "value": VALUE}
    for name, value in colours.items():
        if isinstance(value, str):
            said[TOKENS.get(name, name).replace("_", "-")] = value
        elif name in ("weights", "signed"):
            said |= {f"{name[0]}{stop}": one for stop, one in enumerate(value)}
    return " ".join(f"--{name}: {value};" for name, value in said.items())


class Live(anywidget.AnyWidget):
    """A picture that is handled in the page.

    A subclass has `_esm = joined("its script")`, its traits, and `_still()`. It calls `super()`'s
    `__init__` with all its traits: from then on it takes the place of what an earlier run of its
    cell has shown.
    """

    _css = style()
    kinds = MappingProxyType({})  # what a picture asks of arguments of its own, beside KINDS

    def __init_subclass__(cls, **options):
        """What a picture is given goes through one door, as in a still picture."""
        super().__init_subclass__(**options)
        if "__init__" in vars(cls):
            cls.__init__ = _check.door(**KINDS | cls.kinds)(cls.__init__)

    def __init__(self, **traits):
        super().__init__(**traits)
        rerun.replaces(self)

    # ---- still pictures and pages ----

    def _still(self):
        """What stands in for the live picture: a `Picture`, and words that say more than its alt
        text.
        """
        raise NotImplementedError

    def figure(self):
        """The still picture, a `Picture`."""
        return self._still()[0]

    def to_png(self, path=None):
        """The still picture as PNG: bytes, or written to `path`."""
        return written(self.figure().png(), path)

    def to_svg(self, path=None):
        """The still picture as SVG: bytes, or written to `path`."""
        return written(self.figure().svg(), path)

    def to_html(self, path=None):
        """The live picture as one page that needs nothing else, no kernel and no network: bytes, or
        written to `path`.
        """
        return self._page(path, *self._for_a_page())

    def _page(self, path, state, blobs):
        figure, text = self._still()
        parts = {
            "TITLE": html.escape(getattr(self, "title", "") or type(self).__name__),
            "STYLE": self._css if isinstance(self._css, str) else "",
            "STATE": json.dumps(state).replace("<", "\\u003c"),
            "BLOBS": json.dumps({name: squeezed(blob) for name, blob in blobs.items()}),
            "SOURCE": self._esm.replace("export default {", "const view = {"),
            "PICTURE": base64.b64encode(figure.png()).decode(),
            "ALT": html.escape(figure.alt),
            "TABLE": html.escape(text),
        }
        return written(re.sub("|".join(parts), lambda found: parts[found[0]], _PAGE).encode(), path)

    def _for_a_page(self):
        """What a page of its own needs: the traits as JSON, and those made of bytes, in pieces."""
        names = [
            name
            for name in self.trait_names(sync=True)
            if name not in OWN and not name.startswith(("_model", "_view", "_esm", "_css", "_any"))
        ]
        values = {name: getattr(self, name) for name in names}
        return (
            {name: value for name, value in values.items() if not isinstance(value, bytes)},
            {name: [value] for name, value in values.items() if isinstance(value, bytes)},
        )

    def _repr_mimebundle_(self, **how):
        data, metadata = super()._repr_mimebundle_(**how)
        figure, text = self._still()
        picture = base64.b64encode(figure.png()).decode()
        text = "\n".join(filter(None, [figure.alt, text]))
        return data | {"image/png": picture, "text/plain": text}, metadata | {
            "image/png": {"alt": figure.alt}
        }


def squeezed(blobs):
    """Bytes that come in pieces, compressed, as text."""
    squeeze = zlib.compressobj(6)
    pieces = [squeeze.compress(blob) for blob in blobs]
    return base64.b64encode(b"".join([*pieces, squeeze.flush()])).decode()


def written(blob, path):
    return blob if path is None else _files.write(path, blob)


# The still picture and its words stand in the page, and the script replaces them: a mail, a
# preview, a page whose policy forbids scripts or pictures shows what it may show of them.
_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">\
<title>TITLE</title>
<style>body{margin:12px;background:#fff;color:#1b1f24;font-family:system-ui,sans-serif}img{max-width:100%;background:#fff}
@media(prefers-color-scheme:dark){body{background:#181a1f;color:#e8eaed}}
h1{position:absolute;width:1px;height:1px;margin:0;overflow:hidden;clip-path:inset(50%)}
STYLE</style>
<main><h1>TITLE</h1><div id="view"><img src="data:image/png;base64,PICTURE" alt="ALT">
<pre>TABLE</pre></div></main><script type="module">
SOURCE
{ const state = STATE, blobs = BLOBS, heard = {};
const place = document.getElementById("view"), still = [...place.childNodes];
const open = async (text) => {
  const raw = atob(text), bytes = new Uint8Array(raw.length);
  for (let k = 0; k < raw.length; k++) bytes[k] = raw.charCodeAt(k);
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"))\
).arrayBuffer();
};
for (const name in blobs) state[name] = new DataView(await open(blobs[name]));
const model = { get: (name) => state[name], save_changes() {}, off() {},
  set(name, value) { state[name] = value; (heard["change:" + name] || []).forEach((f) => f()); },
  on(name, f) { (heard[name] ||= []).push(f); } };
place.replaceChildren();
try { view.render({ model, el: place }); } catch (error) { \
place.replaceChildren(...still); throw error; } }
</script></html>
"""
