"""The source of the package, shown where it is taught: a notebook never carries a second copy."""

import inspect
import textwrap


class Source:
    """A piece of Python that a notebook shows with highlighting, and a terminal as text."""

    def __init__(self, code, place):
        self.code, self.place = code, place

    def _repr_mimebundle_(self, include=None, exclude=None):
        return {"text/markdown": f"`{self.place}`\n```python\n{self.code}```", "text/plain": str(self)}

    def __repr__(self):
        return f"# {self.place}\n{self.code}"


def show_source(thing, *, docstring=True):
    """Show the source of a function or class, as it runs.

    docstring   False leaves the docstring out, to see the bare algorithm
    """
    try:
        code = inspect.getsource(thing)
    except (TypeError, OSError):
        raise TypeError(f"show_source needs a function or class written in Python, got {thing!r}") from None
    if not docstring and thing.__doc__:
        for quote in ('"""', "'''"):
            start = code.find(quote)
            if start >= 0:
                end = code.index(quote, start + 3) + 3
                code = code[:start].rstrip() + "\n" + code[end:].lstrip("\n")
                break
    return Source(textwrap.dedent(code), f"{thing.__module__}.{thing.__qualname__}")
