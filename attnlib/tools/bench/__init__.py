"""python -m attnlib bench: how fast attention, training and whole models are, beside what else is
installed.

    python -m attnlib bench                           attention, then training; about five minutes
    python -m attnlib bench attention --quick         half a minute
    python -m attnlib bench attention --longest 131072 --out bench.png
    python -m attnlib bench models                    a published model, beside transformers; about
                                                      two minutes
"""

import argparse
from pathlib import Path


def _parser():
    """What may be asked for."""
    parser = argparse.ArgumentParser(
        prog="attnlib bench", description="Measure speed, beside the libraries that are installed."
    )
    parser.add_argument(
        "part",
        nargs="?",
        choices=["attention", "training", "models"],
        help="only this (default: attention and training)",
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="attention: short texts and fewer rounds, half a minute",
    )
    parser.add_argument(
        "--longest",
        type=int,
        default=65_536,
        metavar="N",
        help="attention: tokens of the longest text (default: 65536)",
    )
    parser.add_argument(
        "--threads", type=int, default=1, help="attention: threads on each side (default: 1)"
    )
    parser.add_argument(
        "--out", type=Path, help="attention: write a figure of it here, .png or .svg"
    )
    parser.add_argument(
        "--model",
        default="minilm",
        help="models: a name or a folder, as load() takes it (default: minilm)",
    )
    parser.add_argument(
        "--peer-python",
        metavar="PATH",
        help="models: the Python that has transformers (default: this one)",
    )
    return parser


def main(arguments):
    """Measure what is asked for and print it. Returns the exit code."""
    parser = _parser()
    given = parser.parse_args(list(arguments))
    if given.out is not None and given.out.suffix.lower() not in (".png", ".svg"):
        parser.error(f"--out must end in .png or .svg, got {str(given.out)!r}")
    if given.longest < 128 or given.threads < 1:
        parser.error(
            f"--longest must be at least 128 and --threads at least 1, got {given.longest} and"
            f" {given.threads}"
        )
    if given.part == "models":
        from attnlib.tools.bench import models

        return models.run(given.model, given.peer_python)
    if given.part != "training":
        from attnlib.tools.bench import attention

        attention.run(given.longest, given.threads, given.quick, given.out)
    if given.part != "attention":
        from attnlib.tools.bench import training

        training.run()
    return 0
