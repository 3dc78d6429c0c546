"""The exercises: right answers pass however they are written, wrong ones fail, each with its own words."""

import importlib
import inspect
import pkgutil
import re

import numpy as np
import pytest

import attnlib.exercises
from attnlib import scaled_dot_product_attention, softmax
from attnlib.exercises import Exercise

SEEDS = range(10)
MODULES = sorted(m.name for m in pkgutil.iter_modules(attnlib.exercises.__path__) if re.fullmatch(r"ex\d\d", m.name))
EXERCISES = {
    f"{module}.{name}": thing
    for module in MODULES
    for name, thing in vars(importlib.import_module(f"attnlib.exercises.{module}")).items()
    if isinstance(thing, Exercise)
}
every_exercise = pytest.mark.parametrize("name", EXERCISES)
MISTAKES = [(name, words) for name, exercise in EXERCISES.items() for words in exercise.mistakes]


def map_results(result, change):
    return tuple(change(part) for part in result) if isinstance(result, tuple) else change(result)


def answers(name, function, seeds=SEEDS):
    """What the exercise says to a function, for several draws of its inputs."""
    return [EXERCISES[name].judge(function, seed=seed) for seed in seeds]


def passes(name, function, seeds=SEEDS):
    for passed, report in answers(name, function, seeds):
        assert passed, report
        assert report.startswith("Right")


def fails(name, function, seeds=SEEDS):
    for seed, (passed, report) in zip(seeds, answers(name, function, seeds)):
        assert not passed, f"seed {seed}"
        assert report.strip() and not report.startswith("Right")


# ---- right answers -----------------------------------------------------------------------------------------------


def test_there_are_exercises():
    assert {"ex00", "ex03", "ex04"} <= set(MODULES) and len(EXERCISES) >= 2 * len(MODULES)


@every_exercise
def test_the_solution_passes(name):
    passes(name, EXERCISES[name].solve, range(40))
    assert EXERCISES[name].judge(EXERCISES[name].solve)[0], "with fresh random inputs"


@every_exercise
def test_the_solution_as_lists_passes(name):
    exercise = EXERCISES[name]
    passes(name, lambda *given: map_results(exercise.solve(*given), lambda part: np.asarray(part).tolist()))


@every_exercise
def test_the_solution_in_half_the_digits_passes(name):
    def narrow(part):
        if isinstance(part, tuple):
            return list(part)
        part = np.asarray(part)
        return part.astype({"f": np.float32, "i": np.int32}.get(part.dtype.kind, part.dtype))

    passes(name, lambda *given: map_results(EXERCISES[name].solve(*given), narrow))


def by_loops(q, k, v):
    weights = np.zeros((len(q), len(k)))
    for i in range(len(q)):
        scores = [sum(q[i] * k[j]) / q.shape[1] ** 0.5 for j in range(len(k))]
        e = np.exp(np.array(scores) - max(scores))
        weights[i] = e / sum(e)
    return sum(weights[:, [j]] * v[[j]] for j in range(len(k))), weights


def by_einsum(q, k, v):
    scores = np.einsum("id,jd->ij", q, k) * q.shape[1] ** -0.5
    scores = scores - np.log(np.exp(scores - scores.max(1, keepdims=True)).sum(1, keepdims=True)) - scores.max(1, keepdims=True)
    return np.einsum("ij,jd->id", np.exp(scores), v), np.exp(scores)


def in_float32(q, k, v):
    q, k, v = (x.astype(np.float32) for x in (q, k, v))
    weights = softmax(q / np.float32(q.shape[1]) ** 0.5 @ k.T)
    return weights @ v, weights


def scaled_in_place(q, k, v):
    q = q.copy()
    q /= np.sqrt(q.shape[-1])
    scores = q @ k.T
    scores -= scores.max(axis=-1)[:, None]
    np.exp(scores, out=scores)
    scores /= scores.sum(-1)[:, None]
    return scores @ v, scores


def zeros_for_nan(scores, mask):
    inside = np.where(mask, scores, -np.inf)
    e = np.exp(inside - inside.max(axis=-1, keepdims=True))
    return np.nan_to_num(e / e.sum(axis=-1, keepdims=True))


def safe_division(scores, mask):
    e = np.exp(np.where(mask, scores, -np.inf) - np.where(mask, scores, -1e300).max(-1, keepdims=True)) * mask
    return np.divide(e, e.sum(-1, keepdims=True), out=np.zeros_like(e), where=mask.any(-1, keepdims=True))


def one_by_one(attend, x):
    n = len(x)
    moved = [[False] * n for _ in range(n)]
    for j in range(n):
        for other in (x + 3 * (np.arange(n) == j)[:, None], x - 1.5 * (np.arange(n) == j)[:, None]):
            difference = attend(other) - attend(x)
            for i in range(n):
                moved[i][j] = moved[i][j] or bool(np.any(np.abs(difference[i]) > 1e-9))
    return moved


def real_shapes(h, n, d):
    q, k = np.ones((2, h, n, d))
    scores = q @ k.transpose(0, 2, 1)
    return scores.shape, scores.sum(axis=-1).shape, np.where(np.ones((n, n), bool), scores, -np.inf).shape


RIGHT = {
    "ex00.shapes": [real_shapes, lambda h, n, d: ([h, n, n], [h, n], [h, n, n])],
    "ex00.looks_most_at": [
        lambda w: [[max(range(len(row)), key=row.__getitem__) for row in head] for head in w.tolist()],
        lambda w: np.argsort(w, axis=2)[:, :, -1],
        lambda w: (w == w.max(-1, keepdims=True)).astype(int) @ np.arange(w.shape[-1]),
    ],
    "ex03.attention": [by_loops, by_einsum, in_float32, scaled_in_place, scaled_dot_product_attention],
    "ex03.shuffled": [
        lambda w, order: w[np.ix_(order, order)],
        lambda w, order: np.eye(len(w))[order] @ w @ np.eye(len(w))[order].T,
        lambda w, order: [[w[a, b] for b in order] for a in order],
    ],
    "ex04.leaks": [one_by_one, lambda attend, x: np.array(one_by_one(attend, x))],
    "ex04.empty_row": [zeros_for_nan, safe_division, lambda s, m: softmax(s, where=m), lambda s, m: softmax(s, where=m).astype(np.float32)],
}


@pytest.mark.parametrize("name, number", [(name, number) for name in RIGHT for number in range(len(RIGHT[name]))])
def test_other_ways_to_write_it_pass(name, number):
    passes(name, RIGHT[name][number])


# ---- known mistakes ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name, words", MISTAKES, ids=[f"{name}-{words[:30]}" for name, words in MISTAKES])
def test_a_known_mistake_is_called_by_its_name(name, words):
    exercise = EXERCISES[name]
    for seed in SEEDS:
        passed, report = exercise.judge(exercise.mistakes[words], seed=seed)
        assert not passed and f"It looks as if {words}." in report, (seed, report)
        assert report.count("It looks as if") == 1


@every_exercise
def test_every_exercise_knows_mistakes_and_hints(name):
    exercise = EXERCISES[name]
    assert len(exercise.mistakes) >= 2 and len(exercise.hints) >= 2
    assert all(len(words) > 20 and words[-1] not in ".!" for words in exercise.mistakes), "the sentence goes on around it"


@every_exercise
def test_a_wrong_answer_nobody_foresaw_gets_no_name(name):
    exercise = EXERCISES[name]

    def odd(part):
        part = np.asarray(part)
        return part[..., ::-1] if part.dtype.kind == "b" else part + 0.37

    for passed, report in answers(name, lambda *given: map_results(exercise.solve(*given), odd)):
        assert not passed and "It looks as if" not in report


# ---- further wrong answers ---------------------------------------------------------------------------------------


def finish(scores, v, axis=-1):
    e = np.exp(scores - scores.max(axis=axis, keepdims=True))
    weights = e / e.sum(axis=axis, keepdims=True)
    return weights @ v, weights


def weights_of(q, k):
    return softmax(q @ k.T / np.sqrt(q.shape[-1]))


WRONG_ATTENTION = {
    "results the other way round": lambda q, k, v: (weights_of(q, k), weights_of(q, k) @ v),
    "only the output": lambda q, k, v: weights_of(q, k) @ v,
    "only the weights": lambda q, k, v: weights_of(q, k),
    "multiplied by the root": lambda q, k, v: finish(q @ k.T * np.sqrt(q.shape[-1]), v),
    "scaled by the width of v": lambda q, k, v: finish(q @ k.T / np.sqrt(v.shape[-1] + 1), v),
    "scaled after the softmax": lambda q, k, v: (weights_of(q, k) @ v, softmax(q @ k.T) / np.sqrt(q.shape[-1])),
    "not normalised": lambda q, k, v: (np.exp(q @ k.T / 100) @ v, np.exp(q @ k.T / 100)),
    "shares without exp": lambda q, k, v: ((q @ k.T) / (q @ k.T).sum(-1, keepdims=True) @ v, (q @ k.T) / (q @ k.T).sum(-1, keepdims=True)),
    "sigmoid": lambda q, k, v: (1 / (1 + np.exp(-q @ k.T)) @ v, 1 / (1 + np.exp(-q @ k.T))),
    "winner takes all": lambda q, k, v: (np.eye(len(k))[(q @ k.T).argmax(-1)] @ v, np.eye(len(k))[(q @ k.T).argmax(-1)]),
    "keys look at queries": lambda q, k, v: finish((k @ q.T).T[::-1] / np.sqrt(q.shape[-1]), v),
    "causal": lambda q, k, v: finish(np.where(np.tri(len(q), len(k), dtype=bool), q @ k.T / np.sqrt(q.shape[-1]), -np.inf), v),
    "one maximum for the whole table": lambda q, k, v: (
        lambda e: (e / e.sum(-1, keepdims=True) @ v, e / e.sum(-1, keepdims=True))
    )(np.exp(q @ k.T / np.sqrt(q.shape[-1]) - (q @ k.T / np.sqrt(q.shape[-1])).max())),
    "clipped scores": lambda q, k, v: finish(np.clip(q @ k.T / np.sqrt(q.shape[-1]), -3, 3), v),
    "output of the keys": lambda q, k, v: (weights_of(q, k) @ np.resize(k, v.shape), weights_of(q, k)),
    "the values scaled too": lambda q, k, v: (weights_of(q, k) @ v / np.sqrt(2), weights_of(q, k)),
    "even weights": lambda q, k, v: (np.full((len(q), len(k)), 1 / len(k)) @ v, np.full((len(q), len(k)), 1 / len(k))),
    "rounded": lambda q, k, v: (weights_of(q, k) @ v, weights_of(q, k).round(2)),
    "a little noise": lambda q, k, v: (weights_of(q, k) @ v + 1e-4, weights_of(q, k)),
    "width of the first input remembered": lambda q, k, v: finish(q @ k.T / np.sqrt(3), v),
    "base 2 instead of e": lambda q, k, v: finish(q @ k.T / np.sqrt(q.shape[-1]) * np.log(2), v),
    "minus the mean instead of the maximum": lambda q, k, v: (
        lambda e: (e / e.sum(-1, keepdims=True) @ v, e / e.sum(-1, keepdims=True))
    )(np.exp(q @ k.T / np.sqrt(q.shape[-1]) - (q @ k.T / np.sqrt(q.shape[-1])).mean(-1, keepdims=True))),
    "an eye on itself": lambda q, k, v: finish(q @ k.T / np.sqrt(q.shape[-1]) + np.eye(len(q), len(k)), v),
    "absolute scores": lambda q, k, v: finish(abs(q @ k.T) / np.sqrt(q.shape[-1]), v),
    "no exception for zeros in the sum": lambda q, k, v: (weights_of(q, k) @ v * np.nan, weights_of(q, k)),
}


def shares(e):
    return e / e.sum(-1, keepdims=True)


WRONG_SOFTMAX = {
    "no mask": lambda s, m: softmax(s),
    "no maximum": lambda s, m: (lambda e: e / np.where(m.any(-1, keepdims=True), e.sum(-1, keepdims=True), 1))(np.where(m, np.exp(s), 0)),
    "no maximum, NaN swept away": lambda s, m: np.nan_to_num(shares(np.exp(np.where(m, s, -np.inf)))),
    "first axis": lambda s, m: np.nan_to_num(softmax(s, axis=0, where=m)),
    "an even row for nobody": lambda s, m: np.where(m.any(-1, keepdims=True), softmax(s, where=m), 1 / s.shape[-1]),
    "one for nobody": lambda s, m: np.where(m.any(-1, keepdims=True), softmax(s, where=m), np.eye(*s.shape)),
    "minus one for nobody": lambda s, m: np.where(m.any(-1, keepdims=True), softmax(s, where=m), -1),
    "scores where masked": lambda s, m: np.where(m, softmax(s, where=m), s),
    "minus infinity where masked": lambda s, m: np.where(m, softmax(s, where=m), -np.inf),
    "NaN where masked": lambda s, m: np.where(m, softmax(s, where=m), np.nan),
    "a fill that is too small": lambda s, m: softmax(np.where(m, s, -100.0)) * m.any(-1, keepdims=True),
    "even among the allowed": lambda s, m: m / np.maximum(m.sum(-1, keepdims=True), 1),
    "winner takes all": lambda s, m: np.eye(s.shape[-1])[np.where(m, s, -np.inf).argmax(-1)] * m.any(-1, keepdims=True),
    "logarithms": lambda s, m: np.log(softmax(s, where=m) + 1e-30),
    "shares without exp": lambda s, m: np.nan_to_num(shares(np.where(m, abs(s), 0))),
    "not normalised": lambda s, m: np.where(m, np.exp(np.minimum(s, 50)), 0),
    "a causal mask of its own": lambda s, m: softmax(s, where=np.tri(*s.shape, dtype=bool)),
    "a small number in the divisor": lambda s, m: (lambda e: e / (e.sum(-1, keepdims=True) + 1e-2))(np.where(m, np.exp(s - s.max()), 0)),
    "fewer columns": lambda s, m: softmax(s, where=m)[:, :-1],
    "only the rows with a key": lambda s, m: softmax(s, where=m)[m.any(-1)],
    "a boolean": lambda s, m: softmax(s, where=m) > 0.5,
    "mask of the first row for all": lambda s, m: softmax(s, where=np.broadcast_to(m[0], m.shape)),
}

WRONG = {
    "ex03.attention": WRONG_ATTENTION,
    "ex04.empty_row": WRONG_SOFTMAX,
    "ex00.shapes": {
        "one too many axes": lambda h, n, d: ((1, h, n, n), (h, n), (h, n, n)),
        "two things": lambda h, n, d: ((h, n, n), (h, n)),
        "d kept in the sums": lambda h, n, d: ((h, n, n), (h, d), (h, n, n)),
        "numbers for tuples": lambda h, n, d: (h * n * n, h * n, h * n * n),
        "remembered numbers": lambda h, n, d: ((2, 3, 3), (2, 3), (2, 3, 3)),
        "mask with an axis for heads and keys": lambda h, n, d: ((h, n, n), (h, n), (h, h, n, n)),
    },
    "ex00.looks_most_at": {
        "the smallest": lambda w: w.argmin(-1),
        "counted from one": lambda w: w.argmax(-1) + 1,
        "flat": lambda w: w.reshape(len(w), -1).argmax(-1),
        "one for all heads": lambda w: w.sum(0).argmax(-1),
        "the order of all": lambda w: w.argsort(-1),
        "a position without its axis": lambda w: w.argmax(),
        "true where largest": lambda w: w == w.max(-1, keepdims=True),
    },
    "ex03.shuffled": {
        "nothing moved": lambda w, order: w,
        "backwards": lambda w, order: w[::-1, ::-1],
        "renormalised columns": lambda w, order: w[order][:, order] / w[order][:, order].sum(0),
        "sorted": lambda w, order: np.sort(w[order][:, order], axis=-1),
        "rows applied twice": lambda w, order: w[order][order][:, order],
        "columns undone": lambda w, order: w[order][:, np.argsort(order)],
    },
    "ex04.leaks": {
        "numbers": lambda attend, x: np.array(one_by_one(attend, x), float),
        "the other way round": lambda attend, x: ~np.array(one_by_one(attend, x)),
        "everything": lambda attend, x: np.ones((len(x), len(x)), bool),
        "causal, without looking": lambda attend, x: np.tri(len(x), dtype=bool),
        "only oneself": lambda attend, x: np.eye(len(x), dtype=bool),
        "too large a threshold": lambda attend, x: np.array([[False] * len(x)] * len(x)) | np.eye(len(x), dtype=bool),
        "one number": lambda attend, x: np.array(one_by_one(attend, x)).any(),
        "a list of leaks": lambda attend, x: np.argwhere(one_by_one(attend, x)),
    },
}
FURTHER = [(name, which) for name in WRONG for which in WRONG[name]]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name, which", FURTHER, ids=[f"{name}-{which}" for name, which in FURTHER])
def test_further_wrong_answers_fail(name, which):
    fails(name, WRONG[name][which])


def test_every_exercise_that_writes_a_softmax_is_tried_hard():
    for name, exercise in EXERCISES.items():
        if "exp(" in exercise.solution().code:
            assert len(WRONG.get(name, [])) >= 8, f"add wrong answers for {name}"
    assert set(WRONG) <= set(EXERCISES) and set(RIGHT) <= set(EXERCISES)


# ---- strange answers ---------------------------------------------------------------------------------------------

NOT_YET = [lambda *given: None, lambda *given: ..., lambda *given: print("working on it")]


@every_exercise
@pytest.mark.parametrize("number", range(len(NOT_YET)))
def test_an_empty_stub_is_told_not_yet(name, number, capsys):
    passed, report = EXERCISES[name].judge(NOT_YET[number], seed=0)
    assert not passed and report.startswith("Not yet")
    EXERCISES[name].check(NOT_YET[number])
    assert "Not yet" in capsys.readouterr().out


def stub(*given):
    ...


def raises(error):
    def function(*given):
        raise error

    return function


def endless(*given):
    return endless(*given)


def yields(*given):
    yield 1


STRANGE = {
    "an error": raises(ValueError("no {braces} <b>")),
    "an error without words": raises(KeyError()),
    "an assertion": raises(AssertionError("1 == 2")),
    "stop": raises(StopIteration(3)),
    "not implemented": raises(NotImplementedError),
    "endless": endless,
    "a generator": yields,
    "no arguments": lambda: 1,
    "too many arguments": lambda a, b, c, d, e, f: 1,
    "a class": type("Mine", (), {}),
    "a string": lambda *given: "0.5",
    "bytes": lambda *given: b"0",
    "a number": lambda *given: 0.5,
    "a truth": lambda *given: True,
    "a complex number": lambda *given: 1j,
    "a set": lambda *given: {1, 2},
    "a dict": lambda *given: {"output": 1, "weights": 2},
    "an object": lambda *given: object(),
    "a function": lambda *given: max,
    "nothing in a list": lambda *given: [],
    "nothing in a tuple": lambda *given: (),
    "a ragged list": lambda *given: [[1, 2], [3]],
    "ragged lists": lambda *given: ([[1, 2], [3]], [[1], [2, 3]], [1, [2]]),
    "two nothings": lambda *given: (None, None),
    "three nothings": lambda *given: (None, None, None),
    "two dots": lambda *given: (..., ...),
    "an array of strings": lambda *given: np.array([["a", "b"]]),
    "an array of objects": lambda *given: np.array([[None, 1]]),
    "an empty array": lambda *given: np.zeros((0, 3)),
    "a huge number": lambda *given: [[10**400]],
    "dates": lambda *given: np.array(["2020-01-01"], "M8[D]"),
    "its own arguments": lambda *given: given,
    "its first argument": lambda *given: given[0],
}


@every_exercise
@pytest.mark.parametrize("kind", STRANGE)
def test_strange_functions_are_answered(name, kind):
    for passed, report in answers(name, STRANGE[kind], range(3)):
        assert not passed and report.strip()
    if kind == "an error":
        assert "ValueError: no {braces} <b>" in report


def of_the_right_shape(exercise, change):
    return lambda *given: map_results(exercise.solve(*given), lambda part: change(np.asarray(part)))


@every_exercise
def test_right_shapes_with_wrong_contents_are_answered(name):
    exercise = EXERCISES[name]
    for change in (
        lambda part: part.astype(str), lambda part: part.astype(object) * 1j, lambda part: np.full(part.shape, None),
        lambda part: np.full(part.shape, np.nan), lambda part: part * 1j, lambda part: part.astype(float) * np.inf,
        lambda part: part[None], lambda part: part.T.copy() if part.ndim > 1 and len(set(part.shape)) > 1 else part[None],
        lambda part: part.astype("M8[s]") if part.dtype.kind == "i" else part.astype("U5"),
    ):  # fmt: skip
        with np.errstate(all="ignore"):
            fails(name, of_the_right_shape(exercise, change), range(3))


@every_exercise
@pytest.mark.parametrize("thing", [5, "softmax", None, np.ones(3), [stub]], ids=lambda thing: type(thing).__name__)
def test_what_is_no_function_is_answered(name, thing, capsys):
    passed, report = EXERCISES[name].judge(thing)
    assert not passed and "function itself" in report and type(thing).__name__ in report


class Replay:
    """Answers what was right for another draw of the inputs, in the same order."""

    def __init__(self, exercise, seed):
        self.stored = [exercise.solve(*given) for given in exercise.inputs(np.random.default_rng(seed))]
        self.calls = 0

    def __call__(self, *given):
        self.calls += 1
        return self.stored[(self.calls - 1) % len(self.stored)]


@every_exercise
def test_remembered_results_do_not_pass(name):
    exercise = EXERCISES[name]
    for seed in SEEDS:
        assert not exercise.judge(Replay(exercise, 999), seed=seed)[0]
        assert exercise.judge(Replay(exercise, seed), seed=seed)[0], "the same inputs for the same seed"
    assert not all(exercise.judge(Replay(exercise, 999))[0] for _ in range(3)), "fresh inputs for every check"


def wiped(*given):
    for argument in given:
        if isinstance(argument, np.ndarray):
            argument[...] = 0


@every_exercise
def test_wiping_the_inputs_does_not_help(name):
    exercise = EXERCISES[name]

    def wipe_and_solve(*given):
        wiped(*given)
        return exercise.solve(*given)

    if any(isinstance(argument, np.ndarray) for argument in exercise.inputs(np.random.default_rng(0))[0]):
        fails(name, wipe_and_solve)


@every_exercise
def test_changing_the_inputs_does_not_pass(name):
    exercise = EXERCISES[name]

    def solve_and_wipe(*given):
        result = map_results(exercise.solve(*given), lambda part: np.array(part))
        wiped(*given)
        return result

    if any(isinstance(argument, np.ndarray) for argument in exercise.inputs(np.random.default_rng(0))[0]):
        fails(name, solve_and_wipe)


def spoilt(part):
    part = np.asarray(part)
    return ~part if part.dtype == bool else part + 1


@every_exercise
def test_right_on_the_first_input_only_is_not_enough(name):
    exercise = EXERCISES[name]
    calls = []

    def first_only(*given):
        calls.append(given)
        result = exercise.solve(*given)
        return result if len(calls) == 1 else map_results(result, spoilt)

    passed, report = exercise.judge(first_only, seed=0)
    assert not passed and re.match(r"1 of \d inputs right\. ", report)


# ---- hints, solutions, reports -----------------------------------------------------------------------------------


@every_exercise
def test_hints_come_one_by_one_and_start_again(name, capsys):
    exercise = EXERCISES[name]
    exercise._hints_given = 0
    for _ in range(2):
        for number, words in enumerate(exercise.hints, 1):
            exercise.hint()
            assert capsys.readouterr().out == f"Hint {number} of {len(exercise.hints)}: {words}\n"
    exercise._hints_given = 0


@every_exercise
def test_the_solution_can_be_read_and_run(name):
    exercise = EXERCISES[name]
    shown = exercise.solution()
    assert shown.code == inspect.getsource(exercise.solve)
    names = dict(vars(inspect.getmodule(exercise.solve)))
    exec(shown.code, names)
    passes(name, names[exercise.solve.__name__], range(2))


@every_exercise
def test_check_prints_the_report(name, capsys):
    EXERCISES[name].check(EXERCISES[name].solve)
    assert capsys.readouterr().out.startswith("Right, on ")
    EXERCISES[name].check(lambda *given: 0.5)
    out = capsys.readouterr().out
    assert out.strip() and "Right, on" not in out


@every_exercise
def test_inputs_are_drawn_from_the_generator(name):
    exercise = EXERCISES[name]

    def numbers(seed):
        trials = exercise.inputs(np.random.default_rng(seed))
        return [[np.asarray(a).tolist() for a in given if not callable(a)] for given in trials]

    assert numbers(1) == numbers(1) != numbers(2)
    assert len(numbers(0)) >= 3


def test_a_report_shows_yours_and_expected():
    passed, report = EXERCISES["ex03.attention"].judge(lambda q, k, v: (q[:, :1] * v.sum(0), np.zeros((len(q), len(k)))), seed=1)
    assert not passed and "yours:" in report and "expected:" in report and re.search(r"tried with q \(\d, \d\), k \(", report)
    passed, report = EXERCISES["ex03.attention"].judge(lambda q, k, v: (np.ones((7, 9)), v), seed=1)
    assert re.search(r"output has the shape \(7, 9\), expected \(\d, \d\)", report)
