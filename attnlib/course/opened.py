"""The models of a notebook: each opened where it can be, and said in a line where it cannot."""

import os
import sys
from importlib.util import find_spec
from pathlib import Path

from attnlib import _check
from attnlib.layers import parameters
from attnlib.models.files import hub
from attnlib.models.pretrained import load

NEEDS = {"smollm2": 1000, "gpt2": 1200, "bert-base-uncased": 1000}  # MB of memory to open it


def opened(*names, sentence="And its tokenizer?", fetch=True):
    """{name: model} of all that can be opened here; a line for each says its size, or why not.

    names     as in `load`; of a folder or a file the last part of its path is its name here
    sentence  what each of them cuts into tokens, before it counts as open
    fetch     False: what is not on this machine yet stays there
    """
    if not _check.text("sentence", sentence):
        raise ValueError("sentence must have at least one sign, got an empty string")
    names = [_check.text(f"names[{i}]", name) for i, name in enumerate(names)]
    _check.flag("fetch", fetch)
    models = {}
    for name in names:
        short = Path(name).name
        try:
            _possible(name, fetch)
            model = load(name)
            model.tokens(sentence)
        except (ImportError, OSError, ValueError, MemoryError) as reason:
            print(f"{short} is left out: {_in_a_line(reason)}. load({name!r}) says more.")
        else:
            models[short] = model
            n = sum(array.size for array in parameters(model.model).values())
            print(f"{short:9s} {n:12,} numbers")
    return models


def _possible(name, fetch):
    """An error where a published model cannot be opened, before anything is fetched."""
    if name not in hub.PUBLISHED:
        return
    if find_spec("tokenizers") is None:
        where = "in the browser" if sys.platform == "emscripten" else "here"
        raise ImportError(f"its tokenizer cannot be read {where}, for want of a library")
    free, needed = room(), NEEDS.get(name, 0)
    if free is not None and free < needed:
        raise MemoryError(f"it needs {needed} MB of memory, and {free} MB are free")
    if not fetch and not hub.here(name):
        raise FileNotFoundError(f"it is not on this machine ({hub.PUBLISHED[name].megabytes} MB)")


def room():
    """How many MB of memory this process may still take, None where nobody says.

    A hub sets MEM_LIMIT, a container its own limit; else it is what the machine has left.
    """
    found = []
    limit, used = os.environ.get("MEM_LIMIT", ""), _field("/proc/self/status", "VmRSS:")
    if limit.isdigit() and used is not None:
        found.append(int(limit) // 10**6 - used)
    found.append(_field("/proc/meminfo", "MemAvailable:"))
    try:
        group = [Path("/sys/fs/cgroup", name).read_text() for name in ("memory.max", "memory.stat")]
        kept = dict(line.split() for line in group[1].splitlines())
        held = sum(int(kept[name]) for name in ("anon", "kernel"))  # files can be dropped
        found.append((int(group[0]) - held) // 10**6)
    except (OSError, ValueError, KeyError):
        pass
    found = [one for one in found if one is not None]
    return min(found) if found else None


def _field(path, name):
    """A field of a table of the kernel, in MB; None where there is none."""
    try:
        lines = Path(path).read_text().splitlines()
        return int(next(line for line in lines if line.startswith(name)).split()[1]) // 1000
    except (OSError, ValueError, StopIteration, IndexError):
        return None


def _in_a_line(reason):
    """The beginning of a reason: of several sources, one behind the other, only that all failed."""
    said = (str(reason).strip() or type(reason).__name__).splitlines()[0]
    return said.partition(": ")[0] if isinstance(reason, FileNotFoundError) else said.rstrip(".")
