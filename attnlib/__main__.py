"""The command line: python -m attnlib "The cat sat on the mat" --pattern causal --out attention.png

`python -m attnlib bench` measures speed instead; `--help` behind it says of what.
"""

import argparse
import sys
from pathlib import Path

from attnlib import toy
from attnlib.show.explorer import look, look_figure
from attnlib.show.labels import most_attended
from attnlib.show.sheet import theme
from attnlib.show.view import AttentionView


def main(arguments=None):
    """Draw the toy world's heads on one sentence and print who looks at whom most. Returns the exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments[:1] == ["bench"]:
        from attnlib import bench

        return bench.main(arguments[1:])
    parser = argparse.ArgumentParser(prog="attnlib", description="Draw attention on a sentence, with heads built by hand for a stated job.")
    parser.add_argument("sentence")
    parser.add_argument("--pattern", default="standard", help=f"who may look at whom: {', '.join(toy.PATTERNS)} (default: standard)")
    parser.add_argument("--heads", type=int, default=4, help=f"number of heads, 1 to {len(toy.HEADS)} (default: 4)")
    parser.add_argument("--window", type=int, default=3, help="local patterns: tokens less than this many steps away (default: 3)")
    parser.add_argument("--globals", type=int, default=1, help="global-local: number of global tokens (default: 1)")
    parser.add_argument("--encoding", default="sinusoidal", help=f"positional encoding: {', '.join(toy.ENCODINGS)} (default: sinusoidal)")
    parser.add_argument("--temperature", type=float, default=1.0, help="below 1 sharper, above 1 more even (default: 1)")
    parser.add_argument("--random", action="store_true", help="random weights instead: the control that means nothing")
    parser.add_argument("--theme", default="light", help="light or dark (default: light)")
    parser.add_argument("--out", type=Path, help="write the picture here: .png, .svg, or .html for a page to touch")
    parser.error = lambda message: sys.exit(_complain(message))
    given = parser.parse_args(arguments)
    try:
        theme(given.theme)
        if given.out is not None and given.out.suffix.lower() not in WRITERS:
            raise ValueError(f"--out must end in {', '.join(WRITERS)}, got {str(given.out)!r}")
        seen = look(
            given.sentence, given.pattern, given.heads, given.window, given.globals, given.encoding, given.temperature,
            "random" if given.random else "built by hand",
        )  # fmt: skip
        if given.out is not None:
            given.out.write_bytes(WRITERS[given.out.suffix.lower()](seen))
    except (ValueError, TypeError, OSError) as error:
        return _complain(error)
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")                       # a terminal without these letters shows ?
    print(most_attended(seen.weights, seen.tokens, names=seen.names))
    if given.out is not None:
        print(f"\nwritten: {given.out}")
    return 0


def _complain(message):
    """One line on stderr, exit code 2."""
    print(f"attnlib: {' '.join(str(message).split())} (see python -m attnlib --help)", file=sys.stderr)
    return 2


def _html(seen):
    return AttentionView(seen.weights, seen.tokens, mask=seen.mask, titles=seen.names).to_html()


WRITERS = {".png": lambda seen: look_figure(seen)[0].png(), ".svg": lambda seen: look_figure(seen)[0].svg(), ".html": _html}


if __name__ == "__main__":
    sys.exit(main())
