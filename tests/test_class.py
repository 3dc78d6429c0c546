"""What a teacher relies on: the hub's limits, the links, a page that says what the course does."""

import copy
import importlib
import importlib.util
import re
import subprocess
import sys
from urllib.parse import parse_qs, urlsplit

import class_links
import nbformat
import pytest
from test_readme import lengths, sections
from traitlets.config import Config, Configurable, PyFileConfigLoader
from traitlets.config import List as Many
from traitlets.config.loader import LazyConfigValue

import notebooks
from attnlib.exercises import Exercise, Question

HUB = notebooks.ROOT / "binder" / "jupyterhub_config.py"
PAGE = class_links.PAGE.read_text(encoding="utf-8")
THREADS = {"OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"}


# ---- the hub -------------------------------------------------------------------------------------


def hub_config(before=None, **changed):
    """The hub's settings after this file was read, on top of those that were there before. changed:
    numbers at its top.
    """
    # as Kubernetes runs it: there is a c, and no more
    names = {"c": before if before is not None else Config()}
    text = HUB.read_text(encoding="utf-8")
    for name, value in changed.items():
        text, found = re.subn(rf"^{name} = \S+", f"{name} = {value}", text, flags=re.M)
        assert found == 1, name
    exec(compile(text, HUB.name, "exec"), names)
    return names["c"]


def plain(value, start):
    """A setting as it will be: what was added to an inherited value, put on top of `start`."""
    return value.get_value(start) if isinstance(value, LazyConfigValue) else value


def test_it_loads_as_a_hub_loads_it():
    config = PyFileConfigLoader(str(HUB)).load_config()
    assert config.JupyterHub.concurrent_spawn_limit >= 1
    assert set(config) == {"JupyterHub", "Spawner", "SystemdSpawner", "KubeSpawner"}, (
        "nothing about log-in, network or files"
    )


@pytest.mark.parametrize("spawner", ["Spawner", "SystemdSpawner", "KubeSpawner"])
def test_limits_hold_for_each_kind_of_hub(spawner):
    """Zero to JupyterHub and the Littlest JupyterHub set the limits of their own spawner before:
    ours win, and theirs stay.
    """
    before = Config(
        {
            spawner: {
                "mem_limit": None,
                "mem_guarantee": "1G",
                "environment": {"THEIRS": "kept", "OMP_NUM_THREADS": "8"},
            }
        }
    )
    limits = hub_config(before)[spawner]
    environment = plain(limits.environment, {})
    assert environment["THEIRS"] == "kept" and {environment[name] for name in THREADS} == {"1"}
    sizes = {"M": 1 << 20, "G": 1 << 30}
    low, high = (
        int(size[:-1]) * sizes[size[-1]] for size in (limits.mem_guarantee, limits.mem_limit)
    )
    assert 200 << 20 <= low <= high and high >= 1 << 30, (
        "the largest notebook takes about half of it"
    )
    assert 0 < limits.cpu_limit <= 2 and limits.start_timeout >= 120 and limits.http_timeout >= 60
    assert limits.default_url == "/lab", "where the links of the page lead"


def test_kernels_are_culled_and_the_option_is_given_once():
    class Spawner(Configurable):
        args = Many(config=True)

    class KubeSpawner(Spawner):
        pass

    for theirs in ({}, {"Spawner": {"args": ["--theirs"]}}):
        for kind in (Spawner, KubeSpawner):
            config = hub_config(Config(copy.deepcopy(theirs)))
            args = kind(
                config=Config(
                    {
                        name: {"args": given.args}
                        for name, given in config.items()
                        if "args" in given
                    }
                )
            ).args
            assert ("--theirs" in args) == bool(theirs)
            timeouts = [arg for arg in args if "cull_idle_timeout=" in arg]
            assert len(timeouts) == 1 and int(timeouts[0].split("=")[1]) >= 1800, (
                "given twice, a server does not start"
            )
            assert not any("cull_connected" in arg or "cull_busy" in arg for arg in args), (
                "nobody loses work that is looked at"
            )


def test_idle_servers_are_culled_by_one_program_only(monkeypatch):
    there = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name: True if name == "jupyterhub_idle_culler" else there(name),
    )
    config = hub_config()
    (service,), (role,) = (
        plain(config.JupyterHub.services, []),
        plain(config.JupyterHub.load_roles, []),
    )
    assert (
        service["name"] in role["services"]
        and "admin" not in service
        and not any("admin" in scope for scope in role["scopes"])
    )
    theirs = [{"name": "cull-idle", "command": ["x"]}]
    again = hub_config(Config({"JupyterHub": {"services": list(theirs)}}))
    assert again.JupyterHub.services == theirs and "load_roles" not in again.JupyterHub
    added = Config()
    # by a hub's file that does not begin with an empty list
    added.JupyterHub.services.extend(theirs)
    assert plain(hub_config(added).JupyterHub.services, []) == theirs
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name: None if name == "jupyterhub_idle_culler" else there(name),
    )
    assert (
        "services" not in hub_config().JupyterHub
        or plain(hub_config().JupyterHub.services, []) == []
    )


def test_the_numbers_at_the_top_are_those_that_count(monkeypatch):
    there = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name: True if name == "jupyterhub_idle_culler" else there(name),
    )
    config = hub_config(
        MAX_SERVERS=40, STARTING_AT_ONCE=7, IDLE_SECONDS=5400, MEMORY_LIMIT='"3G"', CPU_LIMIT=0.5
    )
    assert (config.JupyterHub.active_server_limit, config.JupyterHub.concurrent_spawn_limit) == (
        40,
        7,
    )
    assert (config.KubeSpawner.mem_limit, config.SystemdSpawner.cpu_limit) == ("3G", 0.5)
    (service,) = plain(config.JupyterHub.services, [])
    assert service["command"][-2:] == ["jupyterhub_idle_culler", "--timeout=5400"]
    assert [arg for arg in plain(config.Spawner.args, []) if arg.endswith("=5400")]
    never = hub_config(IDLE_SECONDS=0)
    assert plain(never.Spawner.args, []) == plain(never.JupyterHub.services, []) == [], (
        "0 seconds: nobody is stopped"
    )


def test_a_real_hub_and_a_real_server_take_it(tmp_path):
    pytest.importorskip("jupyterhub", reason="jupyterhub is not installed: pip install jupyterhub")
    code = (
        "import sys\nfrom jupyterhub.app import JupyterHub\nfrom jupyterhub.spawner import"
        " SimpleLocalProcessSpawner\napp = JupyterHub()\napp.load_config_file(sys.argv[1])\nspawner"
        " = SimpleLocalProcessSpawner(config=app.config)\nassert spawner.mem_limit == 1 << 30 and"
        " spawner.environment['OPENBLAS_NUM_THREADS'] == '1', spawner.environment\nassert"
        " app.concurrent_spawn_limit == 10\nfrom jupyter_server.serverapp import ServerApp\nserver"
        " = ServerApp()\nserver.parse_command_line(spawner.args)\nassert"
        " server.config.MappingKernelManager.cull_idle_timeout in (3600, '3600')\nfrom"
        " jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager\nassert"
        " AsyncMappingKernelManager(parent=server).cull_idle_timeout == 3600\nprint('taken')"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", "-c", code, HUB],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == "taken", done.stderr


# ---- links ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", notebooks.paths(), ids=lambda path: path.stem[3:])
def test_a_link_fetches_the_course_and_opens_the_notebook(path):
    address = urlsplit(class_links.link(path, "https://hub.example.org/base/", "term 2027"))
    assert (address.scheme, address.netloc, address.path) == (
        "https",
        "hub.example.org",
        "/base/hub/user-redirect/git-pull",
    )
    query = {name: value for name, (value,) in parse_qs(address.query, strict_parsing=True).items()}
    assert query["repo"] == notebooks.address() and query["branch"] == "term 2027"
    folder, here = query["urlpath"].removeprefix("lab/tree/").split("/", 1)
    assert folder == query["repo"].rsplit("/")[-1], "the folder that git makes of this address"
    assert (notebooks.ROOT / here) == path and path.is_file()


def test_links_for_a_hub_are_printed(capsys, monkeypatch):
    monkeypatch.setattr(
        sys, "argv", ["class_links.py", "--hub", "https://h.org", "--branch", "term"]
    )
    assert class_links.main() == 0
    assert capsys.readouterr().out.split() == [
        class_links.link(path, "https://h.org", "term") for path in notebooks.paths()
    ]
    monkeypatch.setattr(sys, "argv", ["class_links.py", "--hub", "h.org"])
    with pytest.raises(SystemExit):
        class_links.main()
    assert "--hub must be an address" in capsys.readouterr().err


# ---- the page ------------------------------------------------------------------------------------


def test_the_generated_parts_are_current():
    assert class_links.generated(PAGE) == PAGE, "run: python .ci/class_links.py"
    for name in ("times", *class_links.PLANS):
        assert PAGE.count(f"<!-- {name} -->\n|") == 1, name


def test_a_page_that_is_out_of_date_is_brought_up_to_date(tmp_path, monkeypatch, capsys):
    old = re.sub(r"^\| (\d+ \| )?\[\d\d · .*\n", "", PAGE, flags=re.M)  # no rows of notebooks
    old = re.sub(r"^### \[(\d\d) · .*$", r"### \1 · An old title", old, flags=re.M)
    assert old.count("An old title") == len(notebooks.paths()), (
        "notebooks/teaching.md has one section ### [NN · …](…) for each notebook"
    )
    assert class_links.link(notebooks.paths()[0]) not in old
    (tmp_path / "page.md").write_text(old, encoding="utf-8")
    monkeypatch.setattr(class_links, "PAGE", tmp_path / "page.md")
    monkeypatch.setattr(sys, "argv", ["class_links.py"])
    assert class_links.main() == 0 and (tmp_path / "page.md").read_text(encoding="utf-8") == PAGE
    assert (
        class_links.main() == 0
        and capsys.readouterr().out == "page.md: saved\npage.md: nothing to change\n"
    )


def test_times_are_those_of_the_notebooks():
    read = {path: nbformat.read(path, 4) for path in notebooks.paths()}
    table = re.search(r"<!-- times -->\n(.*?)<!-- /times -->", PAGE, re.S)[1]
    for path, notebook in read.items():
        goals = "".join(cell.source for cell in notebook.cells if cell.id == "goals")
        said = re.search(r"about (\d+) minutes, and (\d+)", goals)
        assert said, f'{path.name}, cell goals: "about 50 minutes, and 15 for the exercises"'
        reading, exercises = said.groups()
        assert f"({path.name}) | {reading} min | {exercises} min |" in table, (
            "run: python .ci/class_links.py"
        )
    assert (
        class_links.hours(62) == "1 h 00"
        and class_links.hours(47) == "45 min"
        and class_links.hours(135) == "2 h 15"
    )


def test_a_trial_hub_cannot_be_reached_from_elsewhere():
    """Its log-in sends passwords of this machine. A hub that somebody has set up keeps what they
    said.
    """
    assert hub_config().JupyterHub.bind_url == "http://127.0.0.1:8000"
    for name, value in {
        "bind_url": "http://:8000",
        "ip": "0.0.0.0",
        "port": 80,
        "spawner_class": "kubespawner.KubeSpawner",
    }.items():
        hub = hub_config(Config({"JupyterHub": {name: value}})).JupyterHub
        assert hub[name] == value and (name == "bind_url" or "bind_url" not in hub)


@pytest.mark.parametrize("name", class_links.PLANS)
def test_a_plan_is_in_the_order_of_the_course_and_adds_up(name):
    planned = " ".join(class_links.PLANS[name]).split()
    assert planned == [subject for subject in notebooks.ORDER if subject in planned], (
        "each once, in the order of attnlib/course/order.py"
    )
    spent = {path: class_links.times(nbformat.read(path, 4)) for path in notebooks.paths()}
    for session in class_links.PLANS[name] if name != "afternoon" else []:
        whole = sum(sum(one) for path, one in spent.items() if path.stem[3:] in session.split())
        assert whole <= 185, f"{session} takes {whole} minutes: more than a session of three hours"


def test_a_term_holds_the_whole_course():
    planned = " ".join(class_links.PLANS["term"]).split()
    assert planned == notebooks.ORDER


CLASS = PAGE.partition("## A class of 90 minutes\n")[2].partition("\n## ")[0]


@pytest.mark.parametrize("subject", next(iter(notebooks.PARTS.values())))
def test_a_class_of_90_minutes_has_90(subject):
    """Reading, the exercise, three minutes for each card, ten for two concept questions."""
    path = notebooks.path(subject)
    row = re.findall(rf"^\| \[.+\]\({path.name}\) \| (.+) \| (.+) \| (\d) \|$", CLASS, re.M)
    assert len(row) == 1, f"one row for {path.name}"
    core, rest, exercise = row[0]
    notebook = nbformat.read(path, 4)
    found = lengths(notebook)
    chosen = [*sections(core), *sections(rest)]
    assert len(set(chosen)) == len(chosen) and set(chosen) <= set(found)
    text = "\n".join(cell.source for cell in notebook.cells)
    control = re.search(r"^## (\d+) · The control", text, re.M)[1]
    assert int(control) in chosen, "the control is not optional"
    minutes = [int(one) for one in re.findall(r"^Difficulty \S+ · (\d+) minutes", text, re.M)]
    reading = class_links.times(notebook)[0] * sum(found[one] for one in [0, *chosen])
    reading /= sum(found.values())
    whole = reading + minutes[int(exercise) - 1] + 3 * text.count(".ask(") + 10
    assert 60 <= whole <= 90, f"{whole:.0f} minutes"


def test_the_cards_that_split_a_room_are_cards():
    cards = re.findall(r"^\| `(\w+)\.(\w+)` \|", CLASS, re.M)
    subjects = {subject for subject, _ in cards}
    assert subjects >= set(next(iter(notebooks.PARTS.values()))), "one for each notebook"
    for subject, name in cards:
        module = importlib.import_module(f"attnlib.exercises.{subject}")
        assert isinstance(getattr(module, name), Question), f"{subject}.{name}"


def section(path):
    """What the page says about one notebook."""
    found = re.findall(
        rf"^### \[{path.name[:2]} · .*\]\({path.name}\)\n(.*?)(?=^##)", PAGE, re.S | re.M
    )
    assert len(found) == 1, (
        f"notebooks/teaching.md has {len(found)} sections about {path.name}, and needs one: write"
        f" ### {path.name[:2]} · Title and its text, then run python .ci/class_links.py"
    )
    return found[0]


@pytest.mark.parametrize("path", notebooks.paths(), ids=lambda path: path.stem[3:])
def test_each_misconception_is_one_that_an_exercise_knows(path):
    """The words in quotation marks are those that the exercise of this name prints."""
    module = importlib.import_module(f"attnlib.exercises.{path.stem[3:]}")
    entries = re.findall(r"^- .*", section(path), re.M)
    assert len(entries) >= 2, (
        "two misconceptions in this section of notebooks/teaching.md, as lines"
        f' - *"What they say."* Section 3. `{path.stem[3:]}.name`: “words of its mistake”.'
    )
    for entry in entries:
        for subject, name, words in re.findall(r"`(\w+)\.(\w+)`: “([^”]+)”", entry):
            exercise = getattr(module, name)
            assert subject == path.stem[3:] and isinstance(exercise, Exercise), entry
            assert any(words in mistake for mistake in exercise.mistakes), (
                f"{name} does not say: {words}"
            )
        assert "”" in entry, f"an exercise shows it: {entry}"
        for place in re.findall(r"Sections? (\d+)", entry):
            text = "\n".join(cell.source for cell in nbformat.read(path, 4).cells)
            assert re.search(rf"^## {place} · ", text, re.M), f"there is no section {place}"


@pytest.mark.parametrize("path", notebooks.paths(), ids=lambda path: path.stem[3:])
def test_concept_questions_have_folded_answers_and_are_not_those_of_the_notebook(path):
    text = section(path)
    asked = re.findall(r"<details><summary>([^\n]+\?)</summary>\n\n(.+?)\n</details>", text, re.S)
    assert len(asked) >= 2 and text.count("<details>") == text.count("</details>") == len(asked), (
        "two questions in this section of notebooks/teaching.md, each"
        " <details><summary>…?</summary>, an empty line, its answer, and </details> on a line"
        " of its own"
    )
    known = "\n".join(cell.source for cell in nbformat.read(path, 4).cells)
    for question, answer in asked:
        assert question not in known, f"the notebook asks this, too: {question}"
        assert len(answer.split()) >= 5, f"an answer of at least five words: {answer}"


def test_the_page_is_calm_and_its_links_lead_somewhere():
    prose = re.sub(r"```.*?```|`[^`]*`|<!--.*?-->", "", PAGE, flags=re.S)
    assert not re.search(r"[!\u2600-\u27bf\U0001f000-\U0001faff]", prose)
    headings = {
        re.sub(r"[^\w -]", "", title.lower()).strip().replace(" ", "-")
        for title in re.findall(r"^#+ (.*)", PAGE, re.M)
    }
    for link in re.findall(r"\]\(([^)\s]+)\)", PAGE):
        if link.startswith("#"):
            assert link[1:] in headings, link
        elif not link.startswith("https://"):
            assert (class_links.PAGE.parent / link.split("#")[0]).resolve().is_file(), link


def test_commands_on_the_page_exist():
    """Options and files that the page names are those of the programs."""
    from attnlib.tools import report

    known = {option for action in report._parser()._actions for option in action.option_strings}
    for line in re.findall(r"^python -m attnlib report.*", PAGE, re.M):
        assert set(re.findall(r"--\w[\w-]*", line)) <= known, line
    assert "`--no-code`" in PAGE and "--no-code" in known
    files = set(re.findall(r"(?:\.ci|binder)/\w+\.py", PAGE))
    assert len(files) == 3 and all((notebooks.ROOT / file).is_file() for file in files), files
    table = re.search(r"```\n(name,.*?)```", PAGE, re.S)[1]
    notebook = nbformat.read(notebooks.path("queries_keys_values"), 4)
    assert set(table.splitlines()[0].split(",")) <= set(report.parameters_of(notebook)) | {"name"}
    assert "judge(their_function, seed=2027)" in PAGE


def test_the_judge_on_the_page_judges():
    from attnlib.exercises import queries_keys_values as queries

    assert queries.attention.judge(queries.simple_attention, seed=2027)[0]
    assert not queries.attention.judge(lambda q, k, v: None, seed=2027)[0]
