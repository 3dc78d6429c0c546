"""The command line: python -m attnlib "The cat sat on the mat" --pattern causal --out attention.png

With `--model tiny-gpt` the heads are those of a trained model instead of those built by hand.
`--write 40` lets it go on with the sentence, `--chat` answer it.
`python -m attnlib bench` measures speed, `python -m attnlib hunt` finds the heads of a model that
do a job, `python -m attnlib report` runs a notebook once for each row of a table; `--help` behind
each says more.
"""

import argparse
import itertools
import sys
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

import numpy as np

from attnlib import _check, _files, masks, toy
from attnlib.course.explorer import look, look_figure
from attnlib.models.files.hub import PUBLISHED
from attnlib.models.pretrained import SHIPPED, load
from attnlib.models.text import TextModel
from attnlib.show import figures, mosaic
from attnlib.show.labels import most_attended, visible
from attnlib.show.live.view import AttentionView
from attnlib.show.sheet import theme

BY_HAND = {
    "pattern": f"who may look at whom: {', '.join(toy.PATTERNS)} (default: standard)",
    "heads": f"number of heads, 1 to {len(toy.HEADS)} (default: 4)",
    "window": "local patterns: tokens less than this many steps away (default: 3)",
    "globals": "global-local: number of global tokens (default: 1)",
    "encoding": f"positional encoding: {', '.join(toy.ENCODINGS)} (default: sinusoidal)",
    "temperature": "below 1 sharper, above 1 more even (default: 1)",
    "random": "random weights instead: the control that means nothing",
}
TYPED = {  # what an argument of Python is called on the command line
    **{name: f"--{name}" for name in ("pattern", "window", "encoding", "temperature")},
    **{"n_heads": "--heads", "n_global": "--globals"},
    **{"path_or_name": "--model", "name": "--theme", "n_new": "--write", "top_p": "--top-p"},
}
LONGEST = 1000  # tokens in one picture
MANY = 24  # heads with a title and words each; more are tiles of one image


class Seen(NamedTuple):
    """What is shown of one sentence: text for the terminal, and what makes the still and the live
    picture.
    """

    text: str
    figure: callable
    view: callable


def main(arguments=None):
    """Draw who looks at whom in one sentence, and print it as a table. Returns the exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments[:1] in (["bench"], ["hunt"], ["report"]):
        return import_module(f"attnlib.tools.{arguments[0]}").main(arguments[1:])
    given = options().parse_args(arguments)
    try:
        theme(given.theme)
        if given.chat or given.write is not None:
            return say(written(given))
        if given.top_p is not None:
            raise ValueError("--top-p is about writing: give --write or --chat too")
        if given.out is not None and given.out.suffix.lower() not in WRITERS:
            raise ValueError(f"--out must end in {', '.join(WRITERS)}, got {str(given.out)!r}")
        seen = by_hand(given) if given.model is None else trained(given)
        if given.out is not None:
            _files.write(given.out, WRITERS[given.out.suffix.lower()](seen))
    except (ValueError, TypeError, OSError, ImportError) as error:
        name, _, rest = str(error).partition(" ")
        return _complain(f"{TYPED.get(name, name)} {rest}")
    return say([seen.text] if given.out is None else [seen.text, f"\n\nwritten: {given.out}"])


def options():
    """What may stand on the command line."""
    other = (
        "Also: attnlib bench (how fast it is), attnlib hunt (which head does which job) and attnlib"
        " report (a notebook, once for each row of a table); --help behind each."
    )
    parser = argparse.ArgumentParser(
        prog="attnlib", description="Draw attention on a sentence.", epilog=other
    )
    parser.error = lambda message: sys.exit(_complain(message))
    parser.add_argument("sentence")
    parser.add_argument(
        "--out", type=Path, help="write the picture here: .png, .svg, or .html for a page to touch"
    )
    parser.add_argument("--theme", default="light", help="light or dark (default: light)")
    toys = parser.add_argument_group("heads built by hand for a stated job")
    kinds = {"heads": int, "window": int, "globals": int, "temperature": float}
    for name, about in BY_HAND.items():
        how = (
            {"action": "store_true", "default": None}
            if name == "random"
            else {"type": kinds.get(name)}
        )
        toys.add_argument(f"--{name}", help=about, **how)
    models = parser.add_argument_group("trained heads")
    names = f"{', '.join(SHIPPED)} (shipped), {', '.join(PUBLISHED)} (fetched once)"
    models.add_argument("--model", help=f"{names}, or a folder with a published checkpoint")
    models.add_argument(
        "--layer",
        type=int,
        help="counted from 0; without it the picture shows all, the table layer 0",
    )
    models.add_argument("--head", type=int, help="counted from 0: this head alone")
    writing = parser.add_argument_group("what a trained model writes, instead of a picture")
    writing.add_argument(
        "--write", type=int, metavar="N", help="go on with the sentence, by N tokens at most"
    )
    writing.add_argument(
        "--chat",
        action="store_true",
        help="answer the sentence, with --write by N tokens at most (default: 200)",
    )
    writing.add_argument(
        "--top-p",
        type=float,
        help="draw among the likeliest tokens that have this share together; with it or with"
        " --temperature the tokens are drawn, without both they are the likeliest",
    )
    return parser


def by_hand(given):
    """The toy world's heads on the sentence. -> Seen"""
    if given.layer is not None or given.head is not None:
        raise ValueError(
            "--layer and --head choose among the heads of a trained model: give --model too"
        )
    names = {
        "pattern": "pattern",
        "heads": "n_heads",
        "window": "window",
        "globals": "n_global",
        "encoding": "encoding",
    }
    chosen = {
        name: getattr(given, option)
        for option, name in (names | {"temperature": "temperature"}).items()
    }
    chosen = {name: value for name, value in chosen.items() if value is not None}
    seen = look(given.sentence, **chosen, matrices="random" if given.random else "built by hand")
    table = most_attended(seen.weights, seen.tokens, names=seen.names)
    view = lambda: AttentionView(seen.weights, seen.tokens, mask=seen.mask, titles=seen.names)  # noqa: E731
    return Seen(table, lambda: look_figure(seen)[0], view)


def trained(given):
    """A trained model's heads on the sentence. -> Seen"""
    for option in BY_HAND:
        if getattr(given, option) is not None:
            raise ValueError(
                f"--{option} belongs to the heads that are built by hand: leave it out beside"
                " --model"
            )
    weights, shown, said = heads_of(load(given.model), given.sentence)
    layer = _check.integer("--layer", given.layer or 0, minimum=0, maximum=len(weights) - 1)
    n_layers, n_heads = weights.shape[:2]
    chosen = (
        range(n_heads)
        if given.head is None
        else [_check.integer("--head", given.head, minimum=0, maximum=n_heads - 1)]
    )
    names = [f"layer {layer}, head {head}" for head in chosen]
    table = most_attended(
        weights[layer, chosen],
        shown["tokens"],
        key_tokens=shown["key_tokens"],
        names=[f"head {i}" for i in chosen],
    )
    size = f"{given.model}: {n_layers} layer{'s' * (n_layers > 1)}, {n_heads} heads in each"

    def figure():
        if given.layer is None and given.head is None:
            if n_layers * n_heads > MANY:
                keys = {"tokens": shown["key_tokens"], "mask": shown["mask"]}
                return mosaic(weights, title=size, **keys)
            every = [f"{i}.{j}" for i, j in np.ndindex(weights.shape[:2])]
            return figures.heads(
                weights.reshape(-1, *weights.shape[2:]), titles=every, title=size, **shown
            )
        return figures.heads(weights[layer, chosen], titles=names, title=given.model, **shown)

    view = lambda: AttentionView(weights, layer=layer, head=given.head or 0, title=size, **shown)  # noqa: E731
    return Seen(f"{size}; this is layer {layer}\n\n{table}\n\n{said}".rstrip(), figure, view)


def written(given):
    """What a trained model writes behind the sentence, or in answer to it, piece by piece."""
    what = "--chat" if given.chat else "--write"
    if given.model is None:
        raise ValueError(f"{what} needs a model that writes: give --model too, say smollm2")
    for option in [*(one for one in BY_HAND if one != "temperature"), "out", "layer", "head"]:
        if getattr(given, option) is not None:
            raise ValueError(f"--{option} is about pictures: leave it out beside {what}")
    model = load(given.model)
    if not isinstance(model, TextModel):
        raise ValueError(
            f"{what} needs a model that goes on with a text, and {given.model} is none"
        )
    heat = given.temperature
    if heat is None:
        heat = 0.0 if given.top_p is None else 1.0
    sampling = {"temperature": heat, "top_p": given.top_p}
    if given.write is not None:
        sampling["n_new"] = given.write
    if given.chat:
        return model.chat(given.sentence, stream=True, **sampling)
    return itertools.chain([given.sentence], model.stream(given.sentence, **sampling))


def say(pieces):
    """Print pieces of text as they come. Returns the exit code."""
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")  # a terminal without these letters shows ?
    try:
        for piece in pieces:
            print(piece, end="", flush=True)
    except KeyboardInterrupt:  # what is there stays
        pass
    print()
    return 0


def heads_of(model, sentence):
    """A model reads -> weights (layers, h, n_q, n_k), what their rows and columns are, and what the
    model answers.

    Of an encoder-decoder, the cross-attention: the text it writes looks at the sentence.
    """
    n = len(model.tokens(sentence))
    if n > LONGEST:
        raise ValueError(
            f"the sentence has {n:,} tokens, and a picture shows at most {LONGEST:,}: shorten it"
        )
    trace = model(sentence)
    if trace.cross_weights is not None:
        said = f"writes: {''.join(trace.decoder_tokens[1:])}"
        return (
            trace.cross_weights,
            {"tokens": trace.decoder_tokens, "key_tokens": trace.tokens, "mask": None},
            said,
        )
    shown = {"tokens": trace.tokens, "key_tokens": trace.tokens, "mask": None}
    if not isinstance(model, TextModel):
        return trace.weights, shown, ""
    tokens, shares = zip(*model.best(trace.output[-1]))
    said = [f"{share:.3f}  {token}" for token, share in zip(visible(tokens), shares)]
    return trace.weights, shown | {"mask": masks.causal(n)}, "\n".join(["next token", *said])


def _complain(message):
    """One line on stderr, exit code 2."""
    print(
        f"attnlib: {' '.join(str(message).split())} (see python -m attnlib --help)", file=sys.stderr
    )
    return 2


WRITERS = {
    ".png": lambda seen: seen.figure().png(),
    ".svg": lambda seen: seen.figure().svg(),
    ".html": lambda seen: seen.view().to_html(),
}


if __name__ == "__main__":
    sys.exit(main())
