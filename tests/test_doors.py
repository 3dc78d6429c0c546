"""Door, then lesson: a function that is read checks its arguments in one line, and in no other."""

import ast
from pathlib import Path

import pytest

import attnlib

ROOT = Path(attnlib.__file__).parent
ROOMS = ["attention", "masks", "encodings", "layers", "efficient", "measures", "effects"]
SIX = ["attention", "heads", "masks", "encodings", "layers", "efficient"]


def checks(function):
    """The statements that ask or refuse: a door, a check, a raise."""
    simple = (ast.Assign, ast.AugAssign, ast.Expr, ast.Return, ast.If, ast.For, ast.With, ast.Raise)
    found = []
    for node in ast.walk(function):
        if isinstance(node, ast.Raise):
            found.append(node)
        elif isinstance(node, simple):
            parts = [node.test] if isinstance(node, ast.If) else [node]
            parts = [node.iter] if isinstance(node, ast.For) else parts
            parts = (
                [item.context_expr for item in node.items] if isinstance(node, ast.With) else parts
            )
            names = {n.id for part in parts for n in ast.walk(part) if isinstance(n, ast.Name)}
            if names & {"_guard", "_check"}:
                found.append(node)
    return found


def functions(room):
    tree = ast.parse((ROOT / f"{room}.py").read_text(encoding="utf-8"))
    return [node for node in tree.body if isinstance(node, ast.FunctionDef)]


def first(function):
    """The first statement behind the docstring."""
    return function.body[1 if ast.get_docstring(function) is not None else 0]


@pytest.mark.parametrize("room", ROOMS)
def test_a_function_has_at_most_one_door_and_begins_with_it(room):
    for function in functions(room):
        found = checks(function)
        lines = [node.lineno for node in found]
        assert len(lines) <= 1, (
            f"{room}.{function.name} checks in lines {lines}: put that into _guard.{function.name}"
        )
        after_its_work = function.name == "head_means"  # whether run() did run the model
        assert not found or after_its_work or found[0] is first(function), (
            f"{room}.{function.name} works before it checks, in line {lines[0]}"
        )


def test_a_second_check_is_seen():
    twice = "def f(x, n):\n    x = _guard.f(x)\n    if n < 1:\n        raise ValueError(n)\n"
    once = "def f(x, n):\n    x, n = _guard.f(x, n)\n    return x * n\n"
    inside = "def f(x, n):\n    x = _guard.f(x)\n    for i in range(_check.a(n)):\n        pass\n"
    counts = [len(checks(ast.parse(text).body[0])) for text in (twice, once, inside)]
    assert counts == [2, 1, 2]


def test_the_rooms_that_are_read_are_small():
    lines = {room: len((ROOT / f"{room}.py").read_text("utf-8").splitlines()) for room in SIX}
    assert lines["attention"] <= 160 and sum(lines.values()) <= 2000, lines
