"""What had another name until 0.1: who comes with an old notebook is told in one sentence where it
is now.

`import` asks `OldNames` for what it finds nowhere else, in whatever form it was asked for it. The
faces of the packages say the same of an attribute, by their `__getattr__`.
"""

import sys

# The notebooks 00 to 17 of version 0.1: their exercises were called ex00 to ex17.
NUMBERED = (
    "start_here similarity_and_softmax why_scale queries_keys_values masks many_heads"
    " positional_encoding relative_positions transformer_block cross_attention local_attention"
    " global_and_sparse kv_cache flash_attention train_a_tiny_gpt real_models"
    " do_not_believe_the_heatmap capstone"
).split()
MOVED = {
    "attnlib.bench": "attnlib.tools.bench",
    "attnlib.capstone": "attnlib.course.capstone",
    "attnlib.models.checkpoint": "attnlib.models.files.checkpoint",
    "attnlib.models.config": "attnlib.models.files.config",
    "attnlib.models.hub": "attnlib.models.files.hub",
    "attnlib.models.tokenizer": "attnlib.models.files.tokenizer",
    "attnlib.report": "attnlib.tools.report",
    "attnlib.show.explore": "attnlib.show.live.explore",  # the file; the function is where it was
    "attnlib.show.explorer": "attnlib.course.explorer",
    "attnlib.show.linked": "attnlib.show.live.linked",
    "attnlib.show.page": "attnlib.show.live.page",
    "attnlib.show.rerun": "attnlib.show.live.rerun",
    "attnlib.show.view": "attnlib.show.live.view",
    "attnlib.stills": "attnlib.tools.stills",
    "attnlib.training.capstone": "attnlib.training.recall",
    "attnlib.training.seq2seq": "attnlib.training.translation",
    "attnlib.training.tiny_gpt": "attnlib.course.shipped.tiny_gpt",
} | {
    f"attnlib.exercises.ex{number:02}": f"attnlib.exercises.{subject}"
    for number, subject in enumerate(NUMBERED)
}
# what is no module: it is asked for as an attribute, `toy.job_done`
INSIDE = {"attnlib.toy.job_done": "attnlib.measures.overlap"}


def sentence(old):
    """What an old name is called now, and the line that imports it."""
    new = MOVED.get(old) or INSIDE[old]
    place, _, name = new.rpartition(".")
    called = name if place == old.rpartition(".")[0] else new
    short = " as ex" if place == "attnlib.exercises" else ""
    return f"{old} has been called {called} since 0.2: from {place} import {name}{short}"


class OldNames:
    """The last of Python's finders: it finds nothing, and says of an old name where it is."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        if name in MOVED:  # a ModuleNotFoundError would be passed over by `from … import …`
            raise ImportError(sentence(name), name=name)


def told_by(package):
    """The `__getattr__` of a package or file; of a name that never was it says what Python says."""

    def __getattr__(name):
        old = f"{package}.{name}"
        if (
            old in MOVED or old in INSIDE
        ):  # not an ImportError, or hasattr would raise; no object, so no guess
            raise AttributeError(sentence(old), name=name, obj=None)
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    return __getattr__


sys.meta_path.append(OldNames)
