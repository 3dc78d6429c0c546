"""The exercises: right answers pass however they are written, wrong ones fail, each with its own
words.
"""

import inspect
import pkgutil
import re

import numpy as np
import pytest
from answers import RIGHT, WRONG

import attnlib.exercises
import notebooks
from attnlib.exercises import Exercise, _progress

SEEDS = range(10)
EXERCISES = _progress.exercises()  # "queries_keys_values.attention" -> the exercise
MODULES = {
    module.name
    for module in pkgutil.iter_modules(attnlib.exercises.__path__)
    if not module.name.startswith("_")
}
every_exercise = pytest.mark.parametrize("name", EXERCISES)
MISTAKES = [
    (name, words, number)
    for name, exercise in EXERCISES.items()
    for words, wrong in exercise.mistakes.items()
    for number in range(len(wrong) if isinstance(wrong, list) else 1)
]


@pytest.fixture(autouse=True)
def without_a_limit(monkeypatch):
    """A thread that watches each of 150,000 calls takes longer than the calls. That a function is
    stopped is seen in tests/test_progress.py.
    """
    monkeypatch.setattr(
        attnlib.exercises, "call", lambda function, *given, seconds: function(*given)
    )


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


def draw(name, seed=0):
    return EXERCISES[name].inputs(np.random.default_rng(seed))


every_exercise_with_inputs = pytest.mark.parametrize(
    "name", [name for name in EXERCISES if draw(name)[0]]
)


# ---- right answers -------------------------------------------------------------------------------


def test_there_are_exercises():
    assert MODULES == {path.stem[3:] for path in notebooks.paths()}, (
        "for each notebook NN_SUBJECT a file attnlib/exercises/SUBJECT.py, for each file a notebook"
    )
    readme = (notebooks.ROOT / "README.md").read_text(encoding="utf-8")
    assert f"{len(EXERCISES)} exercises" in readme, f"README.md says: {len(EXERCISES)} exercises"
    assert len(EXERCISES) >= 2 * len(MODULES)
    assert list(dict.fromkeys(name.partition(".")[0] for name in EXERCISES)) == notebooks.ORDER
    titles = [exercise.title for exercise in EXERCISES.values()]
    assert [title for title in set(titles) if titles.count(title) > 1] == [], "a title of its own"


@every_exercise
def test_the_solution_passes(name):
    passes(name, EXERCISES[name].solve, range(40 if EXERCISES[name].fault is None else 8))
    assert EXERCISES[name].judge(EXERCISES[name].solve)[0], "with fresh random inputs"


@every_exercise
def test_the_solution_as_lists_passes(name):
    exercise = EXERCISES[name]
    passes(
        name,
        lambda *given: map_results(exercise.solve(*given), lambda part: np.asarray(part).tolist()),
        range(5),
    )


@every_exercise
def test_the_solution_in_half_the_digits_passes(name):
    def narrow(part):
        if isinstance(part, tuple):
            return list(part)
        part = np.asarray(part)
        return part.astype({"f": np.float32, "i": np.int32}.get(part.dtype.kind, part.dtype))

    passes(name, lambda *given: map_results(EXERCISES[name].solve(*given), narrow), range(5))


@pytest.mark.parametrize(
    "name, number", [(name, number) for name in RIGHT for number in range(len(RIGHT[name]))]
)
def test_other_ways_to_write_it_pass(name, number):
    passes(name, RIGHT[name][number], range(3 if name == "why_scale.spread" else 10))


def test_fewer_pairs_are_enough_to_measure_the_spread():
    passed = [
        EXERCISES["why_scale.spread"].judge(fewer, seed=seed)[0]
        for seed in range(20)
        for fewer in [few_pairs(1000)]
    ]
    assert sum(passed) >= 19
    assert not all(
        EXERCISES["why_scale.spread"].judge(few_pairs(20), seed=seed)[0] for seed in range(10)
    )


def few_pairs(n):
    return lambda d, rng: (rng.normal(size=(n, d)) * rng.normal(size=(n, d))).sum(axis=1).std()


# ---- wrong answers -------------------------------------------------------------------------------

FURTHER = [(name, which) for name in WRONG for which in WRONG[name]]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name, which", FURTHER, ids=[f"{name}-{which}" for name, which in FURTHER])
def test_a_wrong_answer_meets_the_right_words(name, which):
    function, words = WRONG[name][which]
    for seed, (passed, report) in zip(SEEDS, answers(name, function)):
        assert not passed, f"seed {seed}"
        assert words in report, (seed, report)
        assert words or "It looks as if" not in report, (seed, report)


@every_exercise
def test_enough_wrong_and_right_answers_are_tried(name):
    subject = name.partition(".")[0]
    right, said = RIGHT.get(name, []), [words for _, words in WRONG.get(name, {}).values() if words]
    assert len(said) >= 8 and len(right) >= 3, (
        f'add answers to "{name}" in tests/answers/{subject}.py: 3 right ones, and 8 wrong ones'
        f" with words of what they meet; it has {len(right)} and {len(said)}"
    )


def test_answers_are_to_exercises_that_are_there():
    assert sorted({*WRONG, *RIGHT} - {*EXERCISES}) == [], (
        "tests/answers/ has answers to these, attnlib/exercises/ does not have them: SUBJECT.name"
    )


@pytest.mark.parametrize(
    "name, words, number",
    MISTAKES,
    ids=[f"{name}-{words[:30]}-{number}" for name, words, number in MISTAKES],
)
def test_a_known_mistake_is_called_by_its_name(name, words, number):
    exercise = EXERCISES[name]
    wrong = exercise.mistakes[words]
    for seed in range(2):
        passed, report = exercise.judge(
            wrong[number] if isinstance(wrong, list) else wrong, seed=seed
        )
        assert not passed and f"It looks as if {words}." in report, (seed, report)
        assert report.count("It looks as if") == 1


@every_exercise
def test_every_exercise_knows_mistakes_and_hints(name):
    exercise = EXERCISES[name]
    assert (len(exercise.mistakes) >= 5 or exercise.fault) and len(exercise.hints) >= 3, (
        f"attnlib/exercises/{name.partition('.')[0]}.py: at least 5 mistakes and 3 hints; it has"
        f" {len(exercise.mistakes)} and {len(exercise.hints)}"
    )
    assert all(len(words) > 10 and words[-1] not in ".!" for words in exercise.mistakes), (
        "the words of a mistake end without a full stop: the sentence goes on around them"
    )
    assert exercise.level in (1, 2, 3) and 3 <= exercise.minutes <= 30 and exercise.title, (
        f"level 1 to 3, 3 to 30 minutes, a title: {exercise.level}, {exercise.minutes}"
    )
    told = " ".join(
        [*exercise.mistakes, *exercise.hints, *(words for _, words in WRONG.get(name, {}).values())]
    )
    assert "!" not in told.replace("!=", "")


@every_exercise
def test_a_wrong_answer_nobody_foresaw_gets_no_name(name):
    exercise = EXERCISES[name]

    def odd(part):
        part = np.asarray(part)
        return (
            part[..., ::-1]
            if part.dtype.kind == "b"
            else part + 0.37 + 5 * (name == "why_scale.spread")
        )

    for passed, report in answers(name, lambda *given: map_results(exercise.solve(*given), odd)):
        assert not passed and "It looks as if" not in report


def test_shapes_that_do_not_fit_are_explained():
    exercise = Exercise(
        lambda q, k: q @ k.T / (q @ k.T).sum(axis=-1, keepdims=True),
        title="t",
        level=1,
        minutes=5,
        inputs=lambda rng: [(rng.random((3, 4)), rng.random((5, 4)))],
    )
    lost = exercise.judge(lambda q, k: q @ k.T / (q @ k.T).sum(axis=-1))[1]
    assert "could not be broadcast" in lost and "keepdims=True" in lost
    assert "q @ k.T" in exercise.judge(lambda q, k: q @ k)[1]
    assert "keepdims" not in exercise.judge(lambda q, k: q[9])[1]
    two = Exercise(
        lambda x: (x, x),
        title="t",
        level=1,
        minutes=5,
        inputs=lambda rng: [(rng.random(3),)],
        names=("one", "other"),
    )
    assert "no brackets around" in two.judge(lambda x: [x, x])[1]
    assert "brackets" not in two.judge(lambda x: (x, x, x))[1]


def test_to_raise_is_not_the_mistake_that_also_raises():
    exercise = Exercise(
        lambda x: x,
        title="t",
        level=1,
        minutes=5,
        mistakes={"a division by nothing at all": lambda x: 1 / 0},
        inputs=lambda rng: [(rng.normal(size=3),)] * 2,
    )
    assert "looks as if" not in exercise.judge(lambda x: x.no_such_thing)[1]


@every_exercise
def test_a_function_that_raises_is_no_known_mistake(name):
    def function(*given):
        raise ValueError("nothing works")

    for passed, report in answers(name, function, range(3)):
        assert (
            not passed
            and report.startswith("Your function raised ValueError: nothing works\n")
            and "looks as if" not in report
        )


# ---- strange answers -----------------------------------------------------------------------------

NOT_YET = [
    lambda *given: None,
    lambda *given: ...,
    lambda *given: print("working on it"),
    lambda *given: _not_implemented(),
]


def _not_implemented():
    raise NotImplementedError


@every_exercise
@pytest.mark.parametrize("number", range(len(NOT_YET)))
def test_an_empty_stub_is_told_not_yet(name, number, capsys):
    passed, report = EXERCISES[name].judge(NOT_YET[number], seed=0)
    assert not passed and report.startswith("Not yet")
    EXERCISES[name].check(NOT_YET[number])
    assert "Not yet" in capsys.readouterr().out


def stub(*given): ...


def raises(error):
    def function(*given):
        raise error

    return function


def endless(*given):
    return endless(*given)


def yields(*given):
    yield 1


class BrokenArray:
    def __array__(self, *how, **hows):
        raise RuntimeError("no")


STRANGE = {
    "an error": raises(ValueError("no {braces} <b>")),
    "an error without words": raises(KeyError()),
    "an assertion": raises(AssertionError("1 == 2")),
    "stop": raises(StopIteration(3)),
    "not implemented": raises(NotImplementedError),
    "its own timeout": raises(TimeoutError("the network")),
    "exit": raises(SystemExit(1)),
    "no numbers at all": lambda *given: BrokenArray(),
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
def test_strange_functions_are_answered(name):
    for kind, function in STRANGE.items():
        for passed, report in answers(name, function, range(1)):
            assert not passed and report.strip(), kind
        if kind == "an error":
            assert "raised ValueError: no {braces} <b>\n" in report
        elif kind == "an error without words":
            assert report.startswith("Your function raised KeyError\n")
        elif kind == "not implemented":
            assert report.startswith("Not yet")
        elif kind == "its own timeout":
            assert "raised TimeoutError: the network" in report


def of_the_right_shape(exercise, change):
    return lambda *given: map_results(exercise.solve(*given), lambda part: change(np.asarray(part)))


@every_exercise
def test_right_shapes_with_wrong_contents_are_answered(name):
    exercise = EXERCISES[name]
    for change in (
        lambda part: part.astype(str),
        lambda part: part.astype(object) * 1j,
        lambda part: np.full(part.shape, None),
        lambda part: np.full(part.shape, np.nan),
        lambda part: part * 1j,
        lambda part: part.astype(float) * np.inf,
        lambda part: part[None],
        lambda part: part.T.copy() if part.ndim > 1 and len(set(part.shape)) > 1 else part[None],
        lambda part: part.astype("M8[s]") if part.dtype.kind == "i" else part.astype("U5"),
    ):
        with np.errstate(all="ignore"):
            fails(name, of_the_right_shape(exercise, change), range(3))


@every_exercise
@pytest.mark.parametrize(
    "thing", [5, "softmax", None, np.ones(3), [stub]], ids=lambda thing: type(thing).__name__
)
def test_what_is_no_function_is_answered(name, thing, capsys):
    passed, report = EXERCISES[name].judge(thing)
    assert not passed and "function itself" in report and type(thing).__name__ in report


class Replay:
    """Answers what was right for another draw of the inputs, in the same order."""

    def __init__(self, exercise, seed):
        self.stored = [
            exercise.solve(*given) for given in exercise.inputs(np.random.default_rng(seed))
        ]
        self.calls = 0

    def __call__(self, *given):
        self.calls += 1
        return self.stored[(self.calls - 1) % len(self.stored)]


@every_exercise_with_inputs
def test_remembered_results_do_not_pass(name):
    exercise = EXERCISES[name]
    for seed in range(5):
        assert (
            not exercise.judge(Replay(exercise, 999), seed=seed)[0] or name == "why_scale.spread"
        ), "√d is much the same for d and d + 5"
        assert exercise.judge(Replay(exercise, seed), seed=seed)[0], (
            "the same inputs for the same seed"
        )
    assert not all(exercise.judge(Replay(exercise, 999))[0] for _ in range(3)), (
        "fresh inputs for every check"
    )


def test_the_seed_of_a_check_is_not_numpys_own():
    """np.random.seed in a notebook does not bring the same inputs back."""
    seen = set()
    for _ in range(3):
        np.random.seed(0)  # noqa: NPY002
        found = []
        EXERCISES["similarity_and_softmax.alike"].judge(
            lambda x, found=found: found.append(x[0, 0]) or x
        )
        seen.add(found[0])
    assert len(seen) == 3


def spoil_inputs(*given):
    """Change every array and list in place. -> whether there was one"""
    for argument in given:
        if isinstance(argument, np.ndarray):
            argument[...] = 0
        elif isinstance(argument, list):
            argument.reverse()


CHANGEABLE = [
    name
    for name in EXERCISES
    if any(isinstance(argument, (np.ndarray, list)) for argument in draw(name)[0])
]


@pytest.mark.parametrize("name", CHANGEABLE)
def test_wiping_the_inputs_does_not_help(name):
    def wipe_and_solve(*given):
        spoil_inputs(*given)
        return EXERCISES[name].solve(*given)

    fails(name, wipe_and_solve)


@pytest.mark.parametrize("name", CHANGEABLE)
def test_changing_the_inputs_does_not_pass(name):
    exercise = EXERCISES[name]

    def solve_and_wipe(*given):
        result = map_results(exercise.solve(*given), lambda part: np.array(part))
        spoil_inputs(*given)
        return result

    first = next(
        iter(
            n
            for n, a in zip(inspect.signature(exercise.solve).parameters, draw(name)[0])
            if isinstance(a, (np.ndarray, list))
        )
    )
    for passed, report in answers(name, solve_and_wipe):
        assert not passed
        assert report.startswith(
            f"The result is right, but your function changes its input {first}: work on a copy,"
            f" {first}.copy()."
        )


def test_a_wrong_function_that_also_changes_its_input_hears_both():
    def halved(q, k, v):
        q *= 0.5
        return q @ k.T @ v, q @ k.T

    passed, report = EXERCISES["queries_keys_values.attention"].judge(halved, seed=0)
    assert (
        not passed
        and "is not right yet" in report
        and "Also, your function changes its input q" in report
    )


def test_each_input_reaches_the_function_unchanged_and_the_judge_never_sees_the_changes():
    exercise = Exercise(
        lambda a, b: a.sum() + len(b),
        title="t",
        level=1,
        minutes=5,
        inputs=lambda rng: [(np.ones(3), [1, 2])] * 2,
    )
    seen = []

    def function(a, b):
        seen.append((a.copy(), list(b)))
        return float(a.sum()) + len(b)

    assert exercise.judge(function)[0]
    assert all(a.tolist() == [1, 1, 1] and b == [1, 2] for a, b in seen) and len(seen) == 2


def spoilt(part):
    part = np.asarray(part)
    return ~part if part.dtype == bool else (part + 1) * 3


@every_exercise_with_inputs
def test_right_on_the_first_input_only_is_not_enough(name):
    exercise = EXERCISES[name]
    calls = []

    def first_only(*given):
        calls.append(given)
        result = exercise.solve(*given)
        return result if len(calls) == 1 else map_results(result, spoilt)

    passed, report = exercise.judge(first_only, seed=0)
    assert not passed and re.match(r"1 of \d inputs right\. ", report)


@every_exercise_with_inputs
def test_nothing_on_the_second_input_is_said(name):
    exercise = EXERCISES[name]
    calls = []

    def once(*given):
        calls.append(given)
        return exercise.solve(*given) if len(calls) == 1 else None

    passed, report = exercise.judge(once, seed=0)
    assert not passed and re.match(
        r"1 of \d inputs right\. Your function returns nothing for this input", report
    )


# ---- hints, solutions, reports -------------------------------------------------------------------


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
    assert capsys.readouterr().out.startswith("Right")
    EXERCISES[name].check(lambda *given: 0.5)
    out = capsys.readouterr().out
    assert out.strip() and "Right, on" not in out


def test_an_order_moves_every_token_and_is_not_its_own_undoing():
    """Otherwise `order` and `argsort(order)`, or nothing at all, would be the same."""
    for seed in range(50):
        for _, order in draw("queries_keys_values.shuffled", seed):
            assert sorted(order) == list(range(len(order)))
            assert (order != np.arange(len(order))).all() and (order != np.argsort(order)).any()


def plain(argument):
    return (
        argument.bit_generator.state
        if isinstance(argument, np.random.Generator)
        else np.asarray(argument).tolist()
    )


@every_exercise_with_inputs
def test_inputs_are_drawn_from_the_generator(name):
    exercise = EXERCISES[name]

    def numbers(seed):
        trials = exercise.inputs(np.random.default_rng(seed))
        return [[plain(a) for a in given if not callable(a)] for given in trials]

    assert numbers(1) == numbers(1) != numbers(2)
    assert len(numbers(0)) >= 3


def is_causal(weights):
    return not np.triu(weights, 1).any()


def kinds(row):
    """How many different weights a row has, without the zeros."""
    return len(set(row[row > 0].round(9)))


# What a trial must show at least once, for a half-right answer to be found out.
HARD = {
    "real_models.hits": {
        "causal": lambda w, i, j: is_causal(w),
        "not causal": lambda w, i, j: not is_causal(w),
        "parked on the first token": lambda w, i, j: any(
            one[k].argmax() == 0 for one, k in zip(w, i)
        ),
        "looks at itself": lambda w, i, j: any(one[k].argmax() == k for one, k in zip(w, i)),
    },
    "do_not_believe_the_heatmap.flow": {
        "causal": lambda w, r: is_causal(w),
        "not causal": lambda w, r: not is_causal(w),
        "keeps little": lambda w, r: r < 0.4,
        "keeps much": lambda w, r: r > 0.6,
        "one head": lambda w, r: w.shape[1] == 1,
        "three layers": lambda w, r: len(w) == 3,
    },
    "capstone.front": {
        "twins": lambda c, s: len(set(zip(c, s))) < len(c),
        "one beats all": lambda c, s: s[c.argmin()] == s.max(),
        "as cheap and worse": lambda c, s: len(set(c)) < len(set(zip(c, s))),
        "as good and dearer": lambda c, s: len(set(s)) < len(set(zip(c, s))),
    },
}


@pytest.mark.parametrize("name, case", [(name, case) for name in HARD for case in HARD[name]])
def test_the_hard_cases_are_among_the_inputs(name, case):
    for seed in SEEDS:
        assert any(HARD[name][case](*given) for given in draw(name, seed)), seed


def test_a_design_is_asked_twice_for_the_same_length():
    for seed in SEEDS:
        lengths = [n for (n,) in draw("capstone.design", seed)]
        assert len(set(lengths)) == 3 == len(lengths) - 1


@every_exercise
def test_the_inputs_are_small_enough_to_print(name):
    """A report prints the whole array, so that the wrong number can be seen."""
    for given in draw(name):
        if name in ("capstone.design", "real_models.name") or (
            name == "local_attention.blocked" and len(given[0]) > 20
        ):
            continue  # a whole design, a text for the memory: reported in words
        result = EXERCISES[name].solve(*given)
        for part in result if isinstance(result, tuple) else (result,):
            assert max(np.shape(part), default=0) <= 20 and np.size(part) <= 150


def test_a_report_shows_yours_and_expected():
    passed, report = EXERCISES["queries_keys_values.attention"].judge(
        lambda q, k, v: (q[:, :1] * v.sum(0), np.zeros((len(q), len(k)))), seed=1
    )
    assert (
        not passed
        and "yours:" in report
        and "expected:" in report
        and re.search(r"tried with q \(\d, \d\), k \(", report)
    )
    passed, report = EXERCISES["queries_keys_values.attention"].judge(
        lambda q, k, v: (np.ones((7, 9)), v), seed=1
    )
    assert re.search(r"output should have the shape \(\d, \d\), but has the shape \(7, 9\)", report)
    passed, report = EXERCISES["queries_keys_values.attention"].judge(
        lambda q, k, v: (1.0, v), seed=1
    )
    assert re.search(
        r"output should have the shape \(\d, \d\), but has the shape \(\), one number", report
    )


def test_a_wrong_number_far_from_the_corner_is_shown():
    def last_wrong(n, window):
        mask = EXERCISES["masks.past"].solve(n, window)
        mask[-1, 0] ^= True
        return mask

    for passed, report in answers("masks.past", last_wrong):
        yours, expected = re.search(
            r"yours:\n(.*)\nexpected:\n(.*)\n\(tried", report, re.DOTALL
        ).groups()
        assert not passed and yours != expected and "..." not in report


def test_what_looks_alike_is_said_in_numbers():
    for off, said in [(3e-5, "3e-05"), (4e-4, "0.0004")]:
        passed, report = EXERCISES["why_scale.slope"].judge(
            lambda w, off=off: EXERCISES["why_scale.slope"].solve(w) + off, seed=0
        )
        assert (
            not passed
            and f"slopes is close, but off by up to {said}: more than rounding does." in report
        )
    assert EXERCISES["why_scale.slope"].judge(
        lambda w: EXERCISES["why_scale.slope"].solve(w) + 1e-8, seed=0
    )[0]


def test_half_precision_is_judged_by_its_three_digits():
    def in_half(scores, mask):
        return EXERCISES["masks.empty_row"].solve(scores, mask).astype(scores.dtype)

    passes("masks.empty_row", in_half)


def test_several_ways_to_make_one_mistake_share_their_words():
    ways = [lambda x: x + 1, lambda x: x - 1]
    exercise = Exercise(
        lambda x: x,
        title="t",
        level=1,
        minutes=5,
        mistakes={"one step too far or too short": ways},
        inputs=lambda rng: [(rng.normal(size=3),), (rng.normal(size=2),)],
    )
    for way in ways:
        assert exercise.judge(way)[1].endswith("\nIt looks as if one step too far or too short.")
    mixed = iter([lambda x: x + 1, lambda x: x - 1] * 2)
    assert "looks as if" not in exercise.judge(lambda x: next(mixed)(x))[1], "not both ways in turn"
