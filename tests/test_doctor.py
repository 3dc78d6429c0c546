"""Attention doctor, the page: each of its one-line tests is false of a sound head, and true of one
that is ill in just this way.
"""

import re

import nbformat
import numpy as np
import pytest
from test_notebooks_static import links

import notebooks
from attnlib import masks

PAGE = (notebooks.NOTEBOOKS / "attention_doctor.md").read_text(encoding="utf-8")
CAUSE = re.compile(
    r"- \*\*(?P<cause>[^*]+)\*\*: `(?P<test>[^`]+)`[.,] (?P<mend>.+) (?P<link>\[.+\))"
)
LINES = [line for line in PAGE.splitlines() if line.startswith("- **")]
TESTS = {found["cause"]: found["test"] for line in LINES if (found := CAUSE.fullmatch(line))}
SYMPTOMS = re.findall(r"^## ([^\n]+)\n\n(.+?)(?=^## |\Z)", PAGE, re.M | re.S)
LEAK = "(masks.influence(attend, x)[~mask] > 1e-9).any()"  # any of them, said above the causes


def shares(scores, mask=True):
    e = np.exp(scores - scores.max(axis=-1, keepdims=True)) * mask
    return e / e.sum(axis=-1, keepdims=True)


class Layer:
    """Causal attention with h heads at the start of training: what a page's test may ask for."""

    n, h, d, d_model = 12, 4, 8, 24
    n_trained, n_layers, n_text = 64, 2, 12

    def __init__(self, seed=5):
        rng = np.random.default_rng(seed)
        self.x = rng.normal(size=(self.n, self.d_model))
        W = rng.normal(size=(2, self.d_model, self.h * self.d)) / np.sqrt(self.d_model)
        self.W_q, self.W_k = W
        self.mask = np.tri(self.n, dtype=bool)

    def split(self, rows):
        return rows.reshape(len(rows), self.h, self.d).swapaxes(0, 1)  # (h, n, d)

    def keys(self, x):
        return self.split(x @ self.W_k)

    def scored(self, q, k):
        return q @ k.swapaxes(-1, -2) / np.sqrt(self.d)

    def shared(self, scores):
        return shares(scores, self.mask)

    def attend(self, x):
        scores = self.scored(self.split(x @ self.W_q), self.keys(x))  # (h, n, n)
        return self.shared(scores)[0] @ x

    def told(self):
        """What the page's table promises."""
        q, k = self.split(self.x @ self.W_q), self.keys(self.x)
        scores = self.scored(q, k)
        heads = self.shared(scores)
        told = dict(q=q[0], k=k[0], scores=scores[0], weights=heads[0], heads=heads)
        told |= dict(x=self.x, mask=self.mask, attend=self.attend, W_q=self.W_q)
        return told | dict(n_trained=self.n_trained, n_layers=self.n_layers, n_text=self.n_text)


def changed(**given):
    """A layer in which this was done otherwise."""
    return lambda: type("Ill", (Layer,), given)().told()


def but(**given):
    """A sound layer, but for this."""
    return lambda: (
        Layer().told()
        | {name: make(Layer().told()) if callable(make) else make for name, make in given.items()}
    )


def loud_key(self, x):
    k = self.split(x @ self.W_k)
    k[:, 3] *= 8
    return k


chance = np.random.default_rng(0)


def dropped(self, scores):
    kept = chance.random(scores.shape) > 0.1
    return shares(scores, self.mask) * kept / 0.9


def on_the_first(self, scores):
    return self.mask * (0.1 * shares(scores, self.mask) + 0.9 * (np.arange(self.n) == 0))


def mixed_before(self, x):
    sound = Layer()
    return sound.attend((x + np.roll(x, -1, axis=0)) / 2)


def with_zeros(self, scores):
    return shares(np.where(self.mask, scores, 0))


def late(self, scores):
    return shares(scores) * self.mask


def of_row(change):
    def told(sound):
        scores = sound["scores"].copy()
        change(scores)
        return scores

    return told


def nothing_asked(scores):
    scores[4] = 0


blind = np.tri(12, dtype=bool) & (np.arange(12) != 0)[:, None]
narrow = np.tri(12, dtype=bool) & ~np.tri(12, k=-3, dtype=bool)

ILL = {
    "Divided by d, or by √d twice": changed(scored=lambda s, q, k: q @ k.swapaxes(1, 2) / s.d),
    "Divided by the root of the wrong width": changed(
        scored=lambda s, q, k: q @ k.swapaxes(1, 2) / np.sqrt(s.d_model)
    ),
    "All keys are the same": changed(keys=lambda s, x: s.split(x[:1].repeat(s.n, 0) @ s.W_k)),
    "No illness: this word has nothing to ask": but(scores=of_row(nothing_asked)),
    "Not divided by √d": changed(scored=lambda s, q, k: q @ k.swapaxes(1, 2)),
    "Queries or keys have grown": changed(keys=lambda s, x: 6 * s.split(x @ s.W_k)),
    "One key is loud": changed(keys=loud_key),
    "Every word looks at itself": changed(keys=lambda s, x: s.split(x @ s.W_q)),
    "exp is too large": but(scores=lambda sound: 1000 * sound["scores"]),
    "A word may look at nobody": but(mask=blind),
    "16 bits are too few": but(scores=lambda sound: 100_000 * sound["scores"]),
    "A row has no spread": but(x=lambda sound: np.where(np.arange(12)[:, None] == 2, 5, 1.0)),
    "The mask comes after the softmax": changed(shared=late),
    "Forbidden scores are filled with a number": changed(shared=with_zeros),
    "The mask is turned round": but(mask=lambda sound: ~sound["mask"]),
    "The future was in the tokens before": changed(attend=mixed_before),
    "The softmax runs down the columns": but(
        weights=lambda sound: shares(sound["scores"].T).T, mask=np.ones((12, 12), dtype=bool)
    ),
    "The softmax runs over the whole table": but(
        weights=lambda sound: shares(sound["scores"].ravel()).reshape(12, 12)
    ),
    "Something was taken out behind the softmax": changed(shared=late),
    "No illness in training: dropout": changed(shared=dropped),
    "No illness: a row of zeros": but(weights=lambda sound: sound["weights"] * blind),
    "All heads have the same matrices": but(
        heads=lambda sound: np.tile(sound["weights"], (4, 1, 1))
    ),
    "Nothing is learned yet": changed(scored=lambda s, q, k: q @ k.swapaxes(1, 2) / 100),
    "No illness: all park on the first word": changed(shared=on_the_first),
    "They differ, and none makes sense": changed(split=lambda s, rows: rows.reshape(4, -1, 8)),
    "No word has a place": but(attend=lambda sound: lambda x: shares(x @ x.T) @ x),
    "Places that it has never seen": but(n_trained=8),
    "News does not arrive": but(mask=narrow),
    "The first words were thrown away": but(mask=narrow),
    "The filling is heard": but(n_text=6),
    "The diagonal ends in the wrong corner": but(mask=np.tri(2, 12, dtype=bool)),
}


def true(test, told):
    with np.errstate(over="ignore"):
        return bool(eval(test, {"np": np, "masks": masks} | told))


def test_every_cause_has_a_test_a_mend_and_a_link():
    assert [line for line in LINES if not CAUSE.fullmatch(line)] == [], (
        "the form is: - **cause**: `test`. How to mend it. [Title of the notebook](NN_name.ipynb#…)"
    )
    assert set(TESTS) == set(ILL), "each cause has a head in ILL that has it"
    assert len(SYMPTOMS) == 8 and all("- **" in text for _, text in SYMPTOMS)


@pytest.mark.parametrize("cause", ILL)
def test_the_line_finds_its_trouble(cause):
    assert true(TESTS[cause], ILL[cause]()), "not found where it is"
    for seed in range(10):
        assert not true(TESTS[cause], Layer(seed).told()), "found in a head that has nothing"


def test_the_line_for_all_leaks_finds_them():
    assert f"`{LEAK}`" in PAGE and not true(LEAK, Layer().told())
    causes = dict(SYMPTOMS)["Leaks"]
    for cause in ("The mask comes after the softmax", "Forbidden scores are filled with a number"):
        assert cause in causes and true(LEAK, ILL[cause]())
    assert true(LEAK, ILL["The future was in the tokens before"]())


def test_what_is_no_illness_is_named_so_and_the_words_of_the_tests_are_explained():
    known = set(re.findall(r"`(\w+)`", PAGE)) | {"np", "masks"}
    for test in TESTS.values():
        names = set(re.findall(r"(?<![\w.\"])[A-Za-z_]\w*", test)) - {"not", "and", "axis"}
        assert names - {"max", "len"} <= known, test


def test_every_link_says_the_notebook_that_it_leads_to():
    for label, name in re.findall(r"\[([^\]]+)\]\((\d\d_\w+\.ipynb)#cell-id=[\w-]+\)", PAGE):
        title = notebooks.title(nbformat.read(notebooks.NOTEBOOKS / name, 4)).partition(" · ")[2]
        assert title.startswith(label), f"[{label}] is called {title}"
    assert all("#cell-id=" in link for link in links(PAGE) if link.endswith(".ipynb"))


def test_the_page_is_linked():
    assert "(notebooks/attention_doctor.md)" in (notebooks.ROOT / "README.md").read_text("utf-8")
    teaching = (notebooks.NOTEBOOKS / "teaching.md").read_text(encoding="utf-8")
    assert "(attention_doctor.md" in teaching
