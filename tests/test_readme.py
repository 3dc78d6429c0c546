"""What README promises to a reader in lines of code and in minutes."""

import re
from types import SimpleNamespace

import nbformat
import numpy as np
import pytest

import attnlib
import notebooks
from attnlib import show

README = (notebooks.ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```", README, re.M | re.S)
TOKENS = ["The", "Ġcat", "Ġsat", "Ġon", "Ġthe", "Ġmat"]


# ---- code ----------------------------------------------------------------------------------------


def test_attnlib_alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (block,) = [block for block in BLOCKS if "masks.causal" in block]
    names = {}
    exec(block, names)
    assert (tmp_path / "weights.png").stat().st_size > 5_000
    assert names["weights"].shape == (2, 6, 6) and names["mask"].sum() == 6 + 5 + 4


def test_a_trained_model_in_two_lines(monkeypatch):
    (block,) = [block for block in BLOCKS if "attnlib.load" in block]
    lines = [line for line in block.splitlines() if line and "import " not in line]
    assert len(lines) == 2
    seen, real = [], show.AttentionView
    monkeypatch.setattr(show, "AttentionView", lambda *given: seen.append(real(*given)))
    exec(block, names := {})
    layers, heads, n, n_k = names["read"].weights.shape
    assert n == n_k == len(names["read"].tokens) and layers * heads == 16
    assert seen[0].array.shape == (layers, heads, n, n)


class Tensor:
    """A tensor on a device, in half precision, whose gradient is wanted. NumPy gets its numbers
    only when it is none of these.
    """

    def __init__(self, array, *barriers):
        self.array, self.barriers = array, set(barriers)

    def __getitem__(self, index):
        return Tensor(self.array[index], *self.barriers)

    def _without(self, barrier):
        return Tensor(self.array, *self.barriers - {barrier})

    def detach(self):
        return self._without("gradient")

    def float(self):
        return self._without("bfloat16")

    def cpu(self):
        return self._without("device")

    def __array__(self, *given, **named):
        if self.barriers:
            raise TypeError(f"torch refuses: {self.barriers}")
        return self.array


def layers(n_layers, n_heads, n, seed=0):
    """What a model returns: a tuple of tensors (1, h, n, n) whose rows share out 1."""
    scores = np.exp(np.random.default_rng(seed).normal(size=(n_layers, 1, n_heads, n, n)))
    weights = (scores / scores.sum(axis=-1, keepdims=True)).astype(np.float32)
    return tuple(Tensor(layer, "gradient", "bfloat16", "device") for layer in weights)


def test_your_own_model_in_five_lines(tmp_path, monkeypatch):
    (block,) = [block for block in BLOCKS if "output_attentions" in block]
    assert len([line for line in block.splitlines() if line]) == 5
    asked, seen = [], []

    def tokenizer(text, return_tensors):
        asked.append((text, return_tensors))
        return {"input_ids": [[0, 1, 2, 3, 4, 5]]}

    def model(input_ids, output_attentions):
        assert output_attentions is True
        return SimpleNamespace(attentions=layers(3, 4, len(input_ids[0])))

    tokenizer.convert_ids_to_tokens = lambda ids: [TOKENS[i] for i in ids]
    real = show.AttentionView
    monkeypatch.setattr(
        show, "AttentionView", lambda *given, **named: seen.append(real(*given, **named))
    )
    exec(block, {"tokenizer": tokenizer, "model": model})
    assert asked == [("The cat sat on the mat", "pt")]
    (view,) = seen
    wanted = np.stack([layer.array[0] for layer in layers(3, 4, 6)])
    np.testing.assert_array_equal(view.array, wanted)
    view.to_html(tmp_path / "mine.html")
    page = (tmp_path / "mine.html").read_text(encoding="utf-8")
    assert all(token.replace("Ġ", "␣") in page for token in TOKENS)


def told(block, monkeypatch, **names):
    """What the view of a block shows."""
    seen, real = [], show.AttentionView
    given = names | {"AttentionView": lambda *args: seen.append(real(*args))}
    exec(block, given)
    return seen[0].array


def test_a_model_of_transformer_lens(monkeypatch):
    (block,) = [block for block in BLOCKS if "run_with_cache" in block]
    found = layers(2, 4, 6)

    class Cache(dict):
        """Its keys are names of hooks."""

    cache = Cache({f"blocks.{k}.attn.hook_pattern": layer for k, layer in enumerate(found)})
    cache["blocks.0.hook_resid_pre"] = Tensor(np.zeros((1, 6, 8)), "gradient")
    model = SimpleNamespace(
        run_with_cache=lambda text: (None, cache), to_str_tokens=lambda _: TOKENS
    )
    array = told(block, monkeypatch, model=model, text="The cat sat on the mat")
    np.testing.assert_array_equal(array, np.stack([layer.array[0] for layer in found]))


def test_a_layer_of_flax(monkeypatch):
    (block,) = [block for block in BLOCKS if "sow_weights" in block]
    (weights,) = layers(1, 4, 6)
    state = {"intermediates": {"attention_weights": (weights.array,)}}
    layer = SimpleNamespace(apply=lambda *given, **named: (None, state))
    array = told(block, monkeypatch, layer=layer, params=None, x=None, tokens=TOKENS)
    np.testing.assert_array_equal(array.reshape(4, 6, 6), weights.array[0])


# ---- minutes -------------------------------------------------------------------------------------

ROWS = re.findall(
    r"^\| \[([^\]]+)\]\(notebooks/(\S+)\) \| ([\d, to]+) \| (\d+) \|",
    re.search(r"<!-- two hours -->\n(.*?)<!-- /two hours -->", README, re.S)[1],
    re.M,
)


def sections(words):
    """ "1, 3 to 5" -> [1, 3, 4, 5]"""
    found = []
    for part in words.split(","):
        first, _, last = part.strip().partition(" to ")
        found += range(int(first), int(last or first) + 1)
    return found


def lengths(notebook):
    """Section -> its words, a cell of code counted as 40 more; 0 for what stands before the
    first.
    """
    now, found = 0, {0: 0}
    for cell in notebook.cells:
        if cell.id in ("launch", "setup", "navigation"):
            continue
        heading = re.search(r"^## (\d+) · (.*)$", cell.source, re.M)
        now = int(heading[1]) if heading else now
        if heading and "xercises" in heading[2]:
            now = None  # they have minutes of their own
        if now is not None:
            words = len(cell.source.split()) + 40 * (cell.cell_type == "code")
            found[now] = found.get(now, 0) + words
    return found


@pytest.mark.parametrize("label, name, words, minutes", ROWS, ids=[row[1][3:-6] for row in ROWS])
def test_the_sections_of_the_two_hours_take_the_minutes_that_are_said(label, name, words, minutes):
    notebook = nbformat.read(notebooks.NOTEBOOKS / name, 4)
    head = next(cell.source for cell in notebook.cells if cell.id == "goals")
    whole = int(re.search(r"\*\*Time\*\* about (\d+) minutes", head)[1])
    found, chosen = lengths(notebook), sections(words)
    assert set(chosen) <= set(found), "a section that is not there, or is exercises"
    share = sum(found[section] for section in [0, *chosen]) / sum(found.values())
    assert abs(whole * share - int(minutes)) <= 2, f"{whole * share:.1f} minutes"


def test_two_hours_are_two_hours():
    subjects = [row[1][3:-6] for row in ROWS]
    assert len(ROWS) >= 5 and subjects == [one for one in notebooks.ORDER if one in subjects]
    assert sum(int(row[3]) for row in ROWS) == 120


# ---- notebooks by their names --------------------------------------------------------------------

PAGES = [notebooks.ROOT / "README.md", *sorted((notebooks.ROOT / ".github").glob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_link_to_a_notebook_says_words_of_its_title(page):
    """Or what one does there; never its number, which the order of the course may change."""
    text = re.sub(r"<!-- course -->.*<!-- /course -->", "", page.read_text("utf-8"), flags=re.S)
    found = re.findall(r"\[([^\]]+)\]\((?:\.\./)?notebooks/(\d\d_\w+\.ipynb)[^)]*\)", text)
    assert found or page.stem not in ("README", "CONTRIBUTING")
    for label, name in found:
        notebook = nbformat.read(notebooks.NOTEBOOKS / name, 4)
        known = notebooks.title(notebook).lower()
        said = set(re.findall(r"[^\W\d]{4,}", label.lower()))
        assert said & set(re.findall(r"\w+", known)), f"[{label}] is called {known}"
        assert not re.search(r"\b\d\d\b", label), label
    assert not re.findall(r"\bnotebooks? \d\d\b|\bex\d\d\b|\brefresh \d\d|-k \d\d", text)


# ---- the three shelves ---------------------------------------------------------------------------

SHELVES = dict(re.findall(r"^\| `attnlib\.(\w+)` \| (.+) \|$", README, re.M))


def test_every_module_stands_on_one_shelf():
    """What can be imported without an underscore, as a row of one of the three tables."""
    shelved = re.findall(r"`attnlib\.(\w+)`", "".join(re.findall(r"^\| `attnlib.*$", README, re.M)))
    shelved = [name for name in shelved if name not in attnlib.__all__]
    rooms = {
        path.stem
        for path in (notebooks.ROOT / "attnlib").iterdir()
        if not path.name.startswith("_")
        and (path.suffix == ".py" or (path / "__init__.py").exists())
    }
    assert sorted(shelved) == sorted(rooms - {"rope_scaling"}), "rope_scaling belongs to encodings"
    assert set(SHELVES) == set(shelved)


@pytest.mark.parametrize("room", SHELVES)
def test_what_stands_on_a_shelf_is_there(room):
    """Every name in `…` of a row is a function, class or file of its module."""
    place = notebooks.ROOT / "attnlib" / room
    files = [*place.rglob("*.py")] or [place.with_suffix(".py")]
    known = {file.stem for file in files} | {file.parent.name for file in files}
    for file in files:
        known |= set(re.findall(r"^\s*(?:def|class) (\w+)", file.read_text("utf-8"), re.M))
    names = re.findall(r"`(\w+)(?:\([^`]*\))?`", SHELVES[room])
    assert [name for name in names if name not in known] == []
