"""Sliders of the notebooks on cross-attention, the KV cache and flash attention: no dead notch, one
size while they move.
"""

import os
import re

import nbformat
import numpy as np
import pytest

import notebooks

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def ran(number, *ids):
    """What the names mean after the cells of a notebook that are listed, and its parameters and
    imports, have run.
    """
    (path,) = [path for path in notebooks.paths() if path.name.startswith(number)]
    source = {cell.id: cell.source for cell in nbformat.read(path, 4).cells}
    names = {"np": np}
    for id_ in ("parameters", "imports", *ids):
        exec(
            compile(
                re.sub(r"^explore\(", "shown = explore(", source[id_], flags=re.M),
                f"{number} {id_}",
                "exec",
            ),
            names,
        )
    return names


def pictures(names, **fixed):
    """(alt, size) of every value of the first slider of `shown`."""
    control = names["shown"].controls[fixed.pop("slider")]
    values = names["shown"].values | fixed
    return [
        (figure.alt, tuple(figure.get_size_inches()))
        for value in range(control.min, control.max + 1)
        for figure, _ in [names["shown"].draw(**values | {control.description: value})]
    ]


@pytest.mark.parametrize("typed", ["cat", "mechanism", "abcdefghijkl"])
def test_every_step_of_the_reverser_adds_a_row(typed):
    names = ran("09", "machine-code", "hero-draw", "hero-slider")
    names["typed"].value = typed
    found = pictures(names, slider="step")
    assert len(found) == len({alt for alt, _ in found}) == len(typed) + 1
    assert len({size for _, size in found}) == 1


def test_the_beams_keep_their_size_and_draw_no_bar_of_nothing():
    names = ran("09", "puzzle-code", "beam-draw", "beam-slider")
    found = [one for n in (1, 2, 3) for one in pictures(names, slider="step", n_beams=n)]
    assert len({size for _, size in found}) == 1 and len(found) == 33
    assert not any("<pad>" in alt or re.search(r"(?<!from )<start>-?\d", alt) for alt, _ in found)
    assert all(
        float(log) > np.log(0.001)
        for alt, _ in found
        for log in re.findall(r" (-\d+\.\d\d) from", alt)
    )


@pytest.mark.parametrize("block, last", [(4, 3), (1, 10), (3, 4), (10, 1)])
def test_there_are_as_many_stops_as_tiles(block, last):
    names = ran("13", "pieces-code", "hero-draw", "hero-slider")
    names["size"].value = block
    found = pictures(names, slider="tile")
    assert (
        len(found) == len({alt for alt, _ in found}) == last
        and len({size for _, size in found}) == 1
    )


def test_what_fits_is_what_the_weights_leave():
    """Against a count of parameters by hand, for the sizes of Llama 3: 8.03 and 70.6 billion."""
    names = ran("12", "write", "cache-use-code", "memory-code", "hero-draw", "hero-slider")
    published = {(32, 32): 8.03e9, (80, 64): 70.6e9}
    for (layers, heads), number in published.items():
        assert names["model_bytes"](layers, heads, 8) == pytest.approx(2 * number, rel=1e-3)
    cache = 2 * 32 * 8 * 128 * 8192 * 2
    fits = int((80e9 - 2 * 8.03e9) / cache)
    assert (
        f"GQA, 8 kv heads 16 + {8 * cache / 1e9:.1f} GB; {fits} texts fit"
        in names["memory"]()[0].alt
    )
    assert names["memory"](layers=80, heads=64)[0].alt.count("; 0 texts fit") == 3
    ends = [
        {},
        {"layers": 128, "heads": 64, "texts": 64, "context": 131_072},
        {"layers": 1, "heads": 1},
        {"kv_heads": 64},
        {"kv_heads": 1},
    ]
    found = {
        (tuple(figure.get_size_inches()), min(line.get_xdata()[0] for line in figure.sheet.lines))
        for figure, _ in (names["memory"](**end) for end in ends)
    }
    assert len(found) == 1, "the same size, the same zero line"
