"""The source of the package, shown where it is taught: a notebook never carries a second copy."""

import ast
import inspect
import re
import textwrap

from attnlib import _check


class Source:
    """A piece of Python that a notebook shows with highlighting, and a terminal as text."""

    def __init__(self, code, place):
        self.code, self.place = code, place

    def _repr_mimebundle_(self, include=None, exclude=None):
        fence = "`" * max(3, _longest_run("`", self.code) + 1)  # code cannot end its frame
        mark = "`" * (_longest_run("`", self.place) + 1)
        code = self.code if self.code.endswith("\n") else self.code + "\n"
        shown = f"{mark}{self.place}{mark}\n{fence}python\n{code}{fence}"
        return {"text/markdown": shown, "text/plain": str(self)}

    def __repr__(self):
        return f"# {self.place}\n{self.code}"


def _longest_run(sign, text):
    """How often a sign stands in a text in a row, at most."""
    return max(map(len, re.findall(re.escape(sign) + "+", text)), default=0)


WANTED = "thing must be a function or class written in Python"


@_check.door(docstring=_check.flag)
def show_source(thing, *, docstring=True):
    """Show the source of a function or class, as it runs.

    docstring   False leaves the docstring out, to see the bare algorithm
    """
    if not (inspect.isroutine(thing) or inspect.isclass(thing)):
        raise TypeError(f"{WANTED}, got {_check.short(thing)}")
    try:
        if inspect.getfile(inspect.unwrap(thing)) == "<string>":  # exec, or python -c: no file
            raise OSError
        code = textwrap.dedent(inspect.getsource(thing))
    except (TypeError, OSError):
        raise TypeError(f"{WANTED}, got {_check.short(thing)}") from None
    return Source(code if docstring else _bare(code), f"{thing.__module__}.{thing.__qualname__}")


def _bare(code):
    """The source of a function or class without its docstring."""
    body = ast.parse(code).body[0].body
    if ast.get_docstring(ast.parse(code).body[0], clean=False) is None:
        return code
    words = body[0]
    lines = [line.encode() for line in code.splitlines(keepends=True)]  # ast counts in bytes
    before = b"".join(lines[: words.lineno - 1]) + lines[words.lineno - 1][: words.col_offset]
    after = lines[words.end_lineno - 1][words.end_col_offset :] + b"".join(
        lines[words.end_lineno :]
    )
    if len(body) == 1:
        return (before + b"..." + after).decode()
    if after.lstrip(b" \t;")[:1] in (b"\n", b"\r"):  # the docstring had its lines to itself
        before, after = before.rstrip(b" \t"), after.lstrip(b" \t;\r\n")
        return (before + b" " * words.col_offset + after).decode()
    return (before + after.lstrip(b" \t;")).decode()
