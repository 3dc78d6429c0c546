"""A progress bar that leaves nothing behind: for a terminal and for a notebook."""

import sys
import time


class Progress:
    """`with Progress(steps) as bar: bar(step, loss)`: one line, gone when it is finished.

    In a notebook it is a display of its own, in a terminal a line on stderr; elsewhere silence.
    """

    def __init__(self, steps, *, on=True):
        self.steps, self.began, self.drawn = steps, time.monotonic(), 0.0
        self.show = _writer() if on else _silence

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.show("")

    def __call__(self, step, loss):
        """Draw, at most ten times a second."""
        now = time.monotonic()
        if now - self.drawn >= 0.1:
            self.drawn = now
            self.show(line(step, self.steps, loss, now - self.began))


def line(step, steps, loss, seconds, width=24):
    """The bar as text: [#####.....] 120/400  loss 0.693  7 s left"""
    full = width * step // steps
    left = seconds / max(step, 1) * (steps - step)
    return (
        f"[{'#' * full}{'.' * (width - full)}] {step}/{steps}  loss {loss:.3f}  {left:.0f} s left"
    )


def _writer():
    """A function that replaces what it showed last: in a notebook, in a terminal, or nowhere."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    if shell is not None and type(shell).__name__ != "TerminalInteractiveShell":
        from IPython.display import display

        handle = display({"text/plain": ""}, raw=True, display_id=True)
        return lambda text: handle.update({"text/plain": text}, raw=True)
    if sys.stderr.isatty():
        return lambda text: print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)
    return _silence


def _silence(text):
    pass
