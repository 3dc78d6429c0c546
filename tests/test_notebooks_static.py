"""The bones of every notebook, as files: cells, links, saved outputs. Nothing is run here."""

import ast
import base64
import importlib.util
import io
import itertools
import re
import statistics

import nbformat
import pytest
from PIL import Image

import notebooks

PATHS = notebooks.paths()
READ = {path: nbformat.read(path, nbformat.NO_CONVERT) for path in PATHS}
TITLES = {path: notebooks.title(notebook) for path, notebook in READ.items()}
HERO_FIRST = {path: notebooks.ANATOMY[path.stem[3:]] == 2 for path in PATHS}
each = pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem[3:])

EMOJI = re.compile("[\U0001f000-\U0001faff\u2600-\u27bf\u2b50\u2b55\u231a\u231b\ufe0f]")
MACHINE = re.compile(
    r"/(?:work|home|root|tmp|Users|usr|opt|mnt|var)/|[A-Z]:\\\\|site-packages|ipykernel_|0x[0-9a-f]{6,}"
)


# ---- small tools ---------------------------------------------------------------------------------


def cells(path, kind=None):
    return [cell for cell in READ[path].cells if kind is None or cell.cell_type == kind]


def ids(path):
    return [cell.id for cell in READ[path].cells]


def place(path, id_):
    assert ids(path).count(id_) == 1, f"one cell with the id {id_!r}"
    return ids(path).index(id_)


def cell(path, id_):
    return READ[path].cells[place(path, id_)]


def minutes(path):
    """Of the head: for reading, for the exercises."""
    found = re.search(
        r"\*\*Time\*\* about (\d+) minutes, and (\d+) for the exercises", cell(path, "goals").source
    )
    assert found, (
        f"{path.name}, cell goals: it must say"
        ' "**Time** about 50 minutes, and 15 for the exercises."'
    )
    return int(found[1]), int(found[2])


def exercises_of(path):
    """The module attnlib.exercises.SUBJECT."""
    name = path.stem[3:]
    there = importlib.util.find_spec(f"attnlib.exercises.{name}") is not None
    assert there, f"attnlib/exercises/{name}.py is missing: the exercises of {path.name}"
    return importlib.import_module(f"attnlib.exercises.{name}")


def heading(path, *words):
    """The place of the markdown cell with a section heading that holds one of these words."""
    found = [
        number
        for number, one in enumerate(READ[path].cells)
        if one.cell_type == "markdown"
        and re.search(rf"^## .*({'|'.join(words)})", one.source, re.M | re.I)
    ]
    assert len(found) == 1, (
        f'one heading "## N · …" with the words {" or ".join(words)}, found {len(found)}'
    )
    return found[0]


def links(text):
    """The targets of markdown and HTML links and images."""
    return re.findall(r"\]\(\s*<?([^)\s>]+)", text) + re.findall(
        r"(?:href|src)\s*=\s*[\"']([^\"']+)", text
    )


def images(text):
    return re.findall(r"!\[[^\]]*\]\(\s*<?([^)\s>]+)", text) + re.findall(
        r"<img[^>]*src\s*=\s*[\"']([^\"']+)", text
    )


def prose(text):
    """Markdown without code, formulas, images, link targets and tags."""
    text = re.sub(r"```.*?```|`[^`]*`|\$\$.*?\$\$|\$[^$\n]+\$", " ", text, flags=re.S)
    text = re.sub(r"!\[[^\]]*\]\([^)]*\)", " ", text)
    return re.sub(r"<[^>]+>|\]\([^)]*\)|&\w+;", " ", text)


def code_lines(source):
    return [
        line for line in source.splitlines() if line.strip() and not line.strip().startswith("#")
    ]


def headings(text):
    """The words of all headings of a Markdown text."""
    return re.findall(r"^#+ +(.+?) *$", re.sub(r"^```.*?^```", "", text, flags=re.S | re.M), re.M)


def places(file):
    """What links to the sections of a notebook or page may end in."""
    if file not in READ and (file.suffix != ".md" or not file.is_file()):
        return set()
    if file.suffix == ".ipynb":  # as JupyterLab does
        found = {one.id: headings(one.source) for one in cells(file, "markdown")}
        return {f"cell-id={id_}" for id_, words in found.items() if words} | {
            re.sub(r"[*`]", "", one).replace(" ", "-") for words in found.values() for one in words
        }
    found = {}  # as GitHub does: a name that is there already gets a number
    for words in headings(file.read_text(encoding="utf-8")):
        words = re.sub(r"\]\([^)]*\)", "", words).lower()
        name = re.sub(r"[^\w\- ]", "", words).replace(" ", "-")
        found[name] = found.get(name, -1) + 1
    return {name + f"-{n}" * bool(n) for name, last in found.items() for n in range(last + 1)}


def outputs(path):
    return [(one.id, output) for one in cells(path, "code") for output in one.outputs]


def output_text(output):
    return "".join(
        [output.get("text", "")]
        + [text for kind, text in output.get("data", {}).items() if not kind.startswith("image/")]
    )


def test_there_are_notebooks():
    assert len(PATHS) >= 3 and [path.name[:2] for path in PATHS] == sorted(
        {path.name[:2] for path in PATHS}
    )


# ---- the file ------------------------------------------------------------------------------------


@each
def test_the_file_is_a_valid_notebook(path):
    notebook = READ[path]
    nbformat.validate(notebook)
    assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
    assert (
        notebook.metadata.kernelspec.name == "python3"
        and notebook.metadata.language_info.name == "python"
    )
    raw = path.read_bytes()
    assert raw.decode("utf-8").rstrip("\n") == nbformat.writes(notebook).rstrip("\n"), (
        "written by .ci/notebooks.py, and by nothing else"
    )


@each
def test_the_name_says_the_number_and_the_title_too(path):
    assert re.fullmatch(r"\d\d_[a-z0-9_]+\.ipynb", path.name)
    assert TITLES[path].startswith(f"{path.name[:2]} · "), f"begin with # {path.name[:2]} · …"


@each
def test_ids_are_words_and_unique(path):
    assert len(set(ids(path))) == len(ids(path))
    for id_ in ids(path):
        assert re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", id_) and len(id_) <= 40, (
            f'"id": "{id_}" in the file: write at most forty small letters, as in'
            " words-with-hyphens"
        )
        assert not re.fullmatch(r"[0-9a-f]{8}([0-9a-f-]{4,})?", id_) and re.search(
            "[aeiou]", id_
        ), f'"id": "{id_}" in the file looks random: write a word that says what the cell is'


@each
def test_the_file_is_small(path):
    assert path.stat().st_size <= 300 * 1024, f"{path.stat().st_size / 1024:.0f} KiB"


@each
def test_the_size_of_the_notebook_and_of_its_cells(path):
    assert 40 <= len(cells(path)) <= 80, f"40 to 80 cells, found {len(cells(path))}"
    lengths = [len(code_lines(one.source)) for one in cells(path, "code") if one.id != "setup"]
    assert statistics.median(lengths) <= 5, "half of the cells of code: at most 5 lines"
    assert max(lengths) <= 25, "a cell of code: at most 25 lines"
    for one in cells(path, "code"):
        if one.id != "setup":
            assert all(len(line) <= 100 for line in one.source.splitlines()), (
                f"{one.id}: a line has at most 100 characters"
            )
    assert [one.id for one in cells(path) if not one.source.strip()] == [], "no empty cells"


@each
def test_prose_and_code_are_in_balance(path, record_property):
    words = sum(len(prose(one.source).split()) for one in cells(path, "markdown"))
    lines = sum(len(code_lines(one.source)) for one in cells(path, "code") if one.id != "setup")
    record_property("words of prose per line of code", round(words / lines, 1))
    print(
        f"{path.name}: {words} words of prose, {lines} lines of code: {words / lines:.1f} words a"
        " line (wanted: 8 to 15)"
    )
    assert 6 <= words / lines <= 40, f"6 to 40 words of prose a line of code: {words / lines:.1f}"


# ---- the bones -----------------------------------------------------------------------------------


@each
def test_the_head(path):
    if not HERO_FIRST[path]:
        assert ids(path)[:3] == ["title", "launch", "goals"], "the ids of the first three cells"
    title, launch, goals = (cell(path, id_) for id_ in ("title", "launch", "goals"))
    assert {title.cell_type, launch.cell_type, goals.cell_type} == {"markdown"}
    claim = title.source.split("\n", 1)[1].strip()
    assert re.fullmatch(r"\*\*[^*]+\.\*\*", claim), (
        "below the title one sentence in bold that claims something, and nothing else"
    )
    for part in ("**You will**", "**You need**", "**Time**"):
        assert goals.source.count(part) == 1, f"{part} once in the cell goals"
    assert 3 <= len(re.findall(r"^- ", goals.source, re.M)) <= 5, "goals: three to five"
    assert 30 <= minutes(path)[0] <= 90, "30 to 90 minutes for reading"
    needs = goals.source.split("**You need**")[1].split("**Time**")[0]
    assert path == PATHS[0] or any(link.endswith(".ipynb") for link in links(needs)), (
        "**You need**: a link to each notebook that comes first"
    )


@each
def test_generated_cells_are_up_to_date(path):
    wanted = notebooks.generated(path, TITLES)
    assert set(wanted) == {"launch", "setup", "navigation"}
    for id_, source in wanted.items():
        assert cell(path, id_).source == source, f"run: python .ci/notebooks.py links ({id_})"
    assert ids(path)[-1] == "navigation"
    assert notebooks.address().removeprefix("https://github.com/") in cell(path, "launch").source
    assert cell(path, "launch").source.count(path.name) == 3


def test_navigation_goes_through_all_notebooks():
    for before, after in itertools.pairwise(PATHS):
        assert (
            f"]({after.name})" in cell(before, "navigation").source
            and f"]({before.name})" in cell(after, "navigation").source
        )
    assert all("(glossary.md)" in cell(path, "navigation").source for path in PATHS)


@each
def test_the_set_up_cell_is_the_same_everywhere_and_comes_first(path):
    assert cell(path, "setup").cell_type == "code"
    assert cell(path, "setup").source == cell(PATHS[0], "setup").source
    assert [one.id for one in cells(path, "code")][:2] == ["setup", "parameters"], (
        "the ids of the first two cells of code"
    )
    source = cell(path, "setup").source
    assert f"attnlib=={notebooks.version()}" in source
    block = re.search(r'^if not find_spec\("attnlib"\):.*\n((?: {4}.*\n)+)', source, re.M)[1]
    known = notebooks.PLACEHOLDER not in notebooks.address()
    assert source.count("%pip") == block.count("%pip") == 1 + known, (
        "only where the package is missing: in the browser, and elsewhere"
    )
    assert known == (f'@{notebooks.tag()}"' in source) == ("--no-deps" in source)
    for one in cells(path, "code"):
        assert one.id == "setup" or not re.search(r"^\s*[!%]", one.source, re.M), (
            f"a magic in {one.id}"
        )
        assert "!pip" not in one.source


@each
def test_one_cell_of_parameters_with_plain_values(path):
    tagged = [one for one in cells(path) if "parameters" in one.metadata.get("tags", [])]
    assert [one.id for one in tagged] == ["parameters"], "one cell has this tag, and this id"
    (tagged,) = tagged
    names = []
    for statement in ast.parse(tagged.source).body:
        assert (
            isinstance(statement, ast.Assign)
            and len(statement.targets) == 1
            and isinstance(statement.targets[0], ast.Name)
        ), f"parameters: lines name = value, and no other: {ast.unparse(statement)}"
        ast.literal_eval(statement.value)
        names.append(statement.targets[0].id)
    assert (
        {"sentence", "seed"} & set(names) and len(names) == len(set(names)) and 2 <= len(names) <= 8
    ), f"two to eight parameters, among them sentence or seed: {names}"
    used = {
        node.id
        for one in cells(path, "code")
        if one.id not in ("setup", "parameters")
        for node in ast.walk(ast.parse(one.source))
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
    }
    assert set(names) <= used, f"parameters that no cell uses: {sorted(set(names) - used)}"


@each
def test_the_hero_has_a_still_twin(path):
    if HERO_FIRST[path]:
        return  # its own still picture is its twin: see test_anatomy.py
    live = [
        number
        for number, one in enumerate(READ[path].cells)
        if one.cell_type == "code" and re.search(r"\bexplor(e|er)\(", one.source)
    ]
    assert live, "a cell that calls explore(…) or an …explorer(…)"
    for number in live:
        for after in READ[path].cells[number + 1 : number + 4]:
            if after.cell_type == "code":
                assert any("image/png" in output.get("data", {}) for output in after.outputs), (
                    f"a still picture after {ids(path)[number]}"
                )
                break
        else:
            raise AssertionError(f"no still picture after {ids(path)[number]}")


@each
def test_sections_at_the_end(path):
    control, exercises, pitfalls = (
        heading(path, "control"),
        heading(path, "exercises"),
        heading(path, "pitfalls"),
    )
    questions, recap = heading(path, "quick questions"), heading(path, "what you know now", "recap")
    references = heading(path, "read on", "references")
    assert (
        control < pitfalls
        and exercises < pitfalls < questions < recap < references == len(ids(path)) - 2
    ), (
        "the order at the end: control and exercises, pitfalls, quick questions, recap, references,"
        " navigation"
    )
    text = [READ[path].cells[number].source for number in range(len(ids(path)))]
    web = [link for link in links(text[pitfalls]) if link.startswith("https://")]
    assert len(set(web)) >= 2, "pitfalls name other libraries, with links"
    assert (
        text[questions].count("<details><summary>") == text[questions].count("</details>") == 3
    ), "three quick questions: <details><summary>…</summary> … </details>"
    promised, known = (
        len(re.findall(r"^- ", t, re.M)) for t in (cell(path, "goals").source, text[recap])
    )
    assert 3 <= known <= promised + 3, (
        f"the recap says what **You will** promised, as facts: {known} lines for {promised} goals"
    )
    entries = re.findall(r"^- .*", text[references], re.M)
    assert 3 <= len(entries) <= 6, f"three to six references, found {len(entries)}"
    for entry in entries:
        assert len([link for link in links(entry) if link.startswith("https://")]) >= 1, (
            f"a reference without a link: {entry}"
        )
        assert len(prose(entry).split()) >= 12, f"at least 12 words, with why to read it: {entry}"
    assert cell(path, ids(path)[control + 1]).cell_type == "code" or "```" in text[control], (
        "the control is run, not told"
    )


@each
def test_sections_are_numbered(path):
    numbers = [
        int(n)
        for one in cells(path, "markdown")
        for n in re.findall(r"^## (\d+) · \S", one.source, re.M)
    ]
    assert numbers == list(range(1, len(numbers) + 1)) and len(numbers) >= 8, (
        f'at least eight headings "## N · …", from 1 in order: {numbers}'
    )
    assert (
        len(
            [
                one
                for one in cells(path, "markdown")
                for line in one.source.splitlines()
                if re.match(r"# \S", line)
            ]
        )
        == 1
    ), "one heading # …: the title"


@each
def test_exercises_are_stubs_with_a_check(path):
    subject = path.stem[3:]
    checks = [
        (one, call)
        for one in cells(path, "code")
        for call in re.findall(r"^ex\.(\w+)\.check\((\w+)\)", one.source, re.M)
    ]
    assert 2 <= len(checks) <= 3, (
        "two or three exercises, each a cell with its function and ex.NAME.check(FUNCTION):"
        f" found {len(checks)}"
    )
    needed = f"from attnlib.exercises import {subject} as ex"
    lines = [line for one in cells(path, "code") for line in one.source.splitlines()]
    assert lines.count(needed) == 1, f"one cell of code: {needed}"
    text = "\n".join(one.source for one in cells(path, "markdown"))
    assert len(re.findall(r"^### Exercise \d", text, re.M)) == len(checks), (
        "### Exercise 1 · Its title, above each"
    )
    assert len(re.findall(r"^Difficulty [●○]{3} · \d+ minutes", text, re.M)) == len(checks), (
        "Difficulty ●○○ · 10 minutes, in the line below each of these titles"
    )
    for one, (name, function) in checks:
        assert f"def {function}(" in one.source and "    ..." in one.source, (
            f"{one.id}: def {function}(…) with the body ... and ex.{name}.check({function})"
        )
        assert "Not yet" in "".join(output_text(output) for output in one.outputs), (
            f"{one.id} does not show Not yet: run python .ci/notebooks.py refresh {subject}"
        )
    named = re.findall(r"\bex\.(\w+)\.(?:hint|solution)\(\)", text)
    assert named, f"below the first exercise: Stuck? `ex.{checks[0][1][0]}.hint()` …"
    assert set(named) <= {name for _, (name, _) in checks}, f"no exercise of this notebook: {named}"


@each
def test_titles_and_minutes_of_exercises_are_those_of_the_package(path):
    module = exercises_of(path)
    text = "\n".join(one.source for one in READ[path].cells)
    said = re.findall(r"^### Exercise \d · (.+)\nDifficulty ([●○]{3}) · (\d+) minutes$", text, re.M)
    # what hands have built may be tried, too, before the code
    checked = list(dict.fromkeys(re.findall(r"\bex\.(\w+)\.check\(", text)))
    assert len(said) == len(checked), (
        'two lines above each exercise: "### Exercise 1 · Its title"'
        ' and "Difficulty ●○○ · 10 minutes"'
    )
    for (title, stars, spent), name in zip(said, checked, strict=True):
        exercise = getattr(module, name)
        assert (title, stars.count("●"), int(spent)) == (
            exercise.title,
            exercise.level,
            exercise.minutes,
        ), f"{path.name}, and {name} in attnlib/exercises/{path.stem[3:]}.py"
    assert abs(minutes(path)[1] - sum(int(spent) for *_, spent in said)) <= 5, (
        "the minutes of the exercises, and what the cell goals says of them"
    )


@each
def test_every_exercise_of_the_package_is_in_its_notebook(path):
    from attnlib.exercises import Exercise

    module = exercises_of(path)
    names = {name for name, thing in vars(module).items() if isinstance(thing, Exercise)}
    code = "\n".join(one.source for one in cells(path, "code"))
    assert names == set(re.findall(r"\bex\.(\w+)\.check\(", code)), (
        f"the exercises of attnlib/exercises/{path.stem[3:]}.py, and those that {path.name} checks"
    )


# ---- words and links -----------------------------------------------------------------------------


@each
def test_no_shouting_and_no_emoji(path):
    for one in cells(path, "markdown"):
        assert "!" not in prose(one.source), f"{one.id}: no exclamation marks"
    for one in cells(path):
        assert not EMOJI.search(one.source), f"{one.id}: no emoji"


@each
def test_folded_answers_open_and_close(path):
    for one in cells(path, "markdown"):
        marks = re.findall(r"</?details>|</?summary>", one.source)
        assert marks == ["<details>", "<summary>", "</summary>", "</details>"] * (
            len(marks) // 4
        ), one.id


@each
def test_local_links_lead_somewhere(path):
    for one in cells(path, "markdown"):
        for link in links(one.source):
            if re.match(r"https?:|mailto:", link):
                assert link.startswith("https:"), f"{one.id}: {link} is not https"
            elif not link.startswith("#"):
                target = (path.parent / link.split("#")[0]).resolve()
                assert target.is_file() and notebooks.ROOT in target.parents, (
                    f"{one.id}: {link} does not exist"
                )


PAGES = [
    notebooks.ROOT / "README.md",
    *sorted(notebooks.NOTEBOOKS.glob("*.md")),
    *sorted((notebooks.ROOT / ".github").glob("*.md")),
]
of_pages = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)


def lost(file, text):
    """The links of a text in `file` to a section of the course that is not there."""
    for link in links(text):
        name, mark, section = link.partition("#")
        target = (file.parent / name).resolve() if name else file
        if mark and not name.startswith("http") and section not in places(target):
            yield link


@each
def test_a_link_to_a_section_leads_to_one(path):
    found = [(one.id, link) for one in cells(path, "markdown") for link in lost(path, one.source)]
    assert not found, f"no such section; for those of notebooks: .ci/notebooks.py links: {found}"


@of_pages
def test_a_link_of_a_page_to_a_section_leads_to_one(page):
    found = list(lost(page, page.read_text(encoding="utf-8")))
    assert not found, f"{page.name}, no such section: {found}"


# A notebook has a name; its number is a matter of the order, and is written by `reorder`.
BY_NUMBER = re.compile(r"\b[Nn]otebooks?\s+\d\d\b|\bex\d\d\b|\[\d\d\](?=\()")
# "in 00 to 05": no other number begins so, but those of times and of the links to a hub
BARE = re.compile(r"(?<![\w.,:#/\[-])(?<!\bh )(?<!open )0\d(?![\w:/-]|[.,]\d| ·)")
LABEL = re.compile(rf"\[(\d\d\b[^\]]+)\]\((?:\w+/)*(\d\d_{notebooks.SUBJECT}\.ipynb)[^)]*\)")
NAME = re.compile(rf"\[\*([^*\]]+)\*\]\((\d\d_{notebooks.SUBJECT}\.ipynb)[^)]*\)")
# what tells of the old names, which were numbers
HISTORY = {"attnlib/_moved.py", "tests/test_moved.py"}


def by_number(text):
    """What names a notebook, or its exercises, by a number."""
    shown = re.sub(r"```.*?```|`[^`]*`|\]\([^)]*\)", lambda m: " " * len(m[0]), text, flags=re.S)
    return BY_NUMBER.findall(text) + BARE.findall(shown)


@each
def test_no_cell_and_no_output_names_a_notebook_by_its_number(path):
    for one in cells(path):
        if one.cell_type == "markdown":
            assert not by_number(one.source), f"{one.id}: {by_number(one.source)}"
            continue
        texts = [one.source, *map(output_text, one.outputs)]
        texts += [str(output.get("metadata", "")) for output in one.outputs]
        for text in texts:
            assert not BY_NUMBER.search(text), f"{one.id}: {BY_NUMBER.search(text)[0]}"


@of_pages
def test_no_page_names_a_notebook_by_its_number(page):
    text = page.read_text(encoding="utf-8")
    text = re.sub(r"^## Old names.*?(?=^## |\Z)", "", text, flags=re.S | re.M)
    text = re.sub(r"^```.*?^```", "", text, flags=re.S | re.M)
    found = [(words, line[:60]) for line in text.splitlines() for words in by_number(line)]
    assert not found, f"{page.name}, {len(found)} times: a link by name, or the name: {found[:9]}"


def test_no_file_of_python_names_a_notebook_by_its_number():
    found = []
    for folder in ("attnlib", "tests"):
        for file in sorted((notebooks.ROOT / folder).rglob("*.py")):
            name = file.relative_to(notebooks.ROOT).as_posix()
            # a string may go on in the next line
            text = re.sub(r"[\"']\s*\n\s*f?[\"']", "", file.read_text(encoding="utf-8"))
            if name not in HISTORY:
                found += [f"{name}: {words!r}" for words in BY_NUMBER.findall(text)]
    assert not found, "say the subject, as the notebook on masks:\n" + "\n".join(found)


def mislabelled(text):
    """Labels that begin with a number, and are not what the notebook behind them is called."""
    titles = {path.name: title for path, title in TITLES.items()}
    for label, name in LABEL.findall(text):
        title = titles.get(name, "")
        if label not in (title, title.partition(":")[0]):
            yield label, title


@each
def test_a_label_with_a_number_has_the_number_and_the_name(path):
    for one in cells(path, "markdown"):
        assert not list(mislabelled(one.source)), one.id


@of_pages
def test_a_label_of_a_page_with_a_number_has_the_number_and_the_name(page):
    found = list(mislabelled(page.read_text(encoding="utf-8")))
    assert not found, f"{page.name}: {found}"


@each
def test_a_link_by_name_says_words_of_the_title(path):
    titles = {path.name: title for path, title in TITLES.items()}
    for one in cells(path, "markdown"):
        for words, name in NAME.findall(one.source):
            assert words.lower() in titles[name].lower(), (
                f"{one.id}: *{words}* is not in {titles[name]!r}"
            )


@each
def test_commands_and_files_that_the_prose_names_are_there(path):
    for one in cells(path, "markdown"):
        for module in re.findall(r"python -m (attnlib[.\w]*)", one.source):
            file = notebooks.ROOT.joinpath(*module.split("."))
            file = file / "__main__.py" if file.is_dir() else file.with_suffix(".py")
            runs = file.is_file() and (
                file.name == "__main__.py" or 'if __name__ == "__main__":' in file.read_text()
            )
            assert runs, f"{one.id}: python -m {module} runs nothing"
        for name in re.findall(r"`(attnlib/[\w/.]+)`", one.source):
            assert (notebooks.ROOT / name).exists(), f"{one.id}: there is no {name}"


@pytest.mark.parametrize(
    "text",
    [
        "as in note" + "book 02.",
        "(note" + "books 03 and 04)",
        "Note" + "book\n12 says",
        "`e" + "x04.past.check(f)`",
        "in [" + "00](00_start_here.ipynb) to here",
        "In 00 to 05 you built",
        "take 04, then more",
    ],
)
def test_a_number_for_a_notebook_is_found(text):
    assert by_number(text)


@pytest.mark.parametrize(
    "text",
    [
        "[03 · Attention masks](03_masks.ipynb)",
        "[*Attention masks*](03_masks.ipynb#5-·-Mask)",
        "in JupyterLab and in Note" + "book 7",
        "the date 2021-03-05, at 10:05, and 0.05 of 1,000",
        "the 12 heads of 10 notebooks",
        "`python .ci/notebooks.py refresh 04 15`",
    ],
)
def test_what_is_no_number_of_a_notebook_is_let_through(text):
    assert not by_number(text)


def test_a_wrong_label_is_found():
    first = PATHS[0]
    title = TITLES[first]
    for label in (title, title.partition(":")[0]):
        assert not list(mislabelled(f"[{label}]({first.name})"))
    for label in (f"99{title[2:]}", f"{title[:2]} · Another", title[:-1], f"{title[:2]} ·"):
        assert list(mislabelled(f"[{label}]({first.name})")), label


def test_a_lost_section_is_found():
    first = PATHS[0]
    title = re.sub(r"[*`]", "", TITLES[first]).replace(" ", "-")
    for there in ("cell-id=title", title):
        assert not list(lost(first, f"[there](#{there}), [there]({first.name}#{there})")), there
    for gone in ("cell-id=titles", "cell-id=goals", f"{title}-s", ""):  # goals has no heading
        assert list(lost(first, f"[gone](#{gone})")) == [f"#{gone}"], gone
    assert list(lost(PAGES[0], f"[gone](notebooks/{first.name}#1)"))


@each
def test_no_picture_comes_from_the_network(path):
    for one in cells(path, "markdown"):
        for image in images(one.source):
            assert not re.match(r"(https?:)?//", image), f"{one.id}: {image}"
        assert not re.search(r"<(script|iframe|link|object|embed)\b", one.source, re.I)
        assert all(re.match(r"!\[\S", match) for match in re.findall(r"!\[[^\]]*\]", one.source)), (
            f"{one.id}: a picture without words"
        )


def test_the_readme_has_the_course_map():
    text = (notebooks.ROOT / "README.md").read_text(encoding="utf-8")
    found = re.search(r"<!-- course -->\n(.*?)\n<!-- /course -->", text, re.S)[1]
    assert found == notebooks.course_map(READ)
    for path, notebook in READ.items():
        assert re.search(r"\*\*(.+)\*\*$", notebook.cells[0].source)[1] in found, (
            f"the claim of {path.name}"
        )
    for link in links(found):
        assert link.startswith("https://") or (notebooks.ROOT / link).is_file(), link


def test_the_readme_clones_and_cites_this_version():
    text = (notebooks.ROOT / "README.md").read_text(encoding="utf-8")
    assert f"git clone {notebooks.address()}.git" in text
    assert (
        f"url     = {{{notebooks.address()}}}" in text
        and f"version = {{{notebooks.version().partition('.dev')[0]}}}" in text
    )


def stored(tree):
    """Names that a cell gives a value to, not those inside its functions and comprehensions."""
    inner = (ast.FunctionDef, ast.Lambda, ast.ListComp, ast.DictComp, ast.SetComp, ast.GeneratorExp)
    found, todo = set(), list(tree.body)
    while todo:
        node = todo.pop()
        found |= {node.name} if isinstance(node, ast.FunctionDef) else set()
        found |= (
            {node.id} if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) else set()
        )
        todo += [] if isinstance(node, inner) else ast.iter_child_nodes(node)
    return found


@each
def test_what_a_slider_draws_is_not_overwritten_by_a_later_cell(path):
    """A reader who has run all cells goes back to a slider: the names that its function reads still
    mean the same.
    """
    trees = [ast.parse(re.sub(r"%pip.*", "pass", one.source)) for one in cells(path, "code")]
    functions = {
        node.name: node for tree in trees for node in tree.body if isinstance(node, ast.FunctionDef)
    }
    for number, tree in enumerate(trees):
        drawn = [
            node.args[0].id
            for node in ast.walk(tree)
            if isinstance(node, ast.Call)
            and getattr(node.func, "id", "") == "explore"
            and isinstance(node.args[0], ast.Name)
        ]
        todo, read = [*drawn], set()
        while todo:  # what it calls, and what that calls
            names = [
                node
                for node in ast.walk(functions[todo.pop()])
                if isinstance(node, (ast.Name, ast.arg))
            ]
            own = {name.arg for name in names if isinstance(name, ast.arg)}
            own |= {
                name.id
                for name in names
                if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store)
            }
            outer = {name.id for name in names if isinstance(name, ast.Name)} - own
            todo += [name for name in outer - read if name in functions]
            read |= outer
        later = set().union(*map(stored, trees[number + 1 :]))
        assert not read & later, f"{drawn}: {read & later}"


# ---- what is saved -------------------------------------------------------------------------------


@each
def test_outputs_are_pictures_and_text_only(path):
    assert outputs(path)
    for id_, output in outputs(path):
        assert output.output_type in ("stream", "display_data", "execute_result"), id_
        assert output.get("name", "stdout") == "stdout", f"{id_} writes to stderr"
        assert set(output.get("data", {})) <= {"image/png", "text/plain", "text/markdown"}, id_
        assert "text/plain" in output.get("data", {"text/plain": ""}), id_
        assert "Traceback" not in output_text(output) and "Warning" not in output_text(output), id_
        assert "Error displaying widget" not in output_text(output)


@each
def test_nothing_of_this_machine_is_saved(path):
    assert set(READ[path].metadata) == {"kernelspec", "language_info", "attnlib"}
    assert set(READ[path].metadata.language_info) == {"name"}
    for one in cells(path):
        folded = notebooks.FOLDED if notebooks.is_folded(one, path) else {}
        assert {name: it for name, it in one.metadata.items() if name != "tags"} == folded, one.id
    for id_, output in outputs(path):
        assert not MACHINE.search(output_text(output)), (
            f"{id_}: {MACHINE.search(output_text(output))[0]}"
        )
        assert str(notebooks.ROOT) not in str(output)


@each
def test_outputs_belong_to_these_cells(path):
    assert READ[path].metadata.attnlib.sources == notebooks.sources(READ[path]), (
        f"run: python .ci/notebooks.py refresh {path.stem[3:]}"
    )
    counts = [one.execution_count for one in cells(path, "code")]
    assert counts == list(range(1, len(counts) + 1))
    for one in cells(path, "code"):
        assert all(
            output.get("execution_count", one.execution_count) == one.execution_count
            for output in one.outputs
        )


@each
def test_saved_pictures_open_and_have_words(path):
    pictures = [
        (id_, output) for id_, output in outputs(path) if "image/png" in output.get("data", {})
    ]
    assert len(pictures) >= 4, f"at least four pictures, found {len(pictures)}"
    for id_, output in pictures:
        image = Image.open(io.BytesIO(base64.b64decode(output.data["image/png"])))
        image.load()
        assert image.format == "PNG" and image.width <= 932, f"{id_} is {image.width} pixels wide"
        assert len(image.convert("RGB").getcolors(1 << 24)) > 5, f"{id_} is blank"
        assert output.metadata.get("image/png", {}).get("alt", "").strip(), f"{id_} has no alt text"


@each
def test_a_still_picture_stands_in_for_every_live_cell(path):
    for one in cells(path, "code"):
        if re.search(r"\b(explore|explorer|\w+View)\(", one.source) and "def " not in one.source:
            assert any("image/png" in output.get("data", {}) for output in one.outputs), one.id


@each
def test_every_import_is_used(path):
    trees = [ast.parse(one.source) for one in cells(path, "code") if one.id != "setup"]
    imported = {
        (alias.asname or alias.name).split(".")[0]
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for alias in node.names
    }
    used = {node.id for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Name)}
    assert imported <= used, f"imported and not used: {sorted(imported - used)}"
