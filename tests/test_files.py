"""What is written takes its place whole, or not at all."""

import errno
import os
import subprocess
import sys

import numpy as np
import pytest

from attnlib import __main__ as command
from attnlib import _files
from attnlib.show import AttentionView
from attnlib.tools import report


def names(folder):
    return sorted(os.listdir(folder))


def test_text_and_bytes_new_and_again(tmp_path):
    path = tmp_path / "a.txt"
    for blob in ("one", b"two", "größer\n", b""):
        _files.write(path, blob)
        assert path.read_bytes() == (blob.encode() if isinstance(blob, str) else blob) and names(
            tmp_path
        ) == ["a.txt"]


def test_the_rights_of_a_file_stay(tmp_path):
    path = tmp_path / "a.txt"
    _files.write(path, "one")
    new = path.stat().st_mode & 0o777
    (tmp_path / "b").write_text("as any program would")
    assert new == (tmp_path / "b").stat().st_mode & 0o777
    path.chmod(0o640)
    _files.write(path, "two")
    assert path.stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("name", ["ü" * 120, "文" * 80, "[a]*?{b}", "-rf", "a.draft", ".hidden"])
def test_odd_and_long_names(tmp_path, name):
    _files.write(tmp_path / name, "one")
    _files.write(tmp_path / name, "two")
    assert names(tmp_path) == [name] and (tmp_path / name).read_text() == "two"


@pytest.mark.parametrize(
    "make", [lambda path: path.mkdir(), lambda path: os.mkfifo(path)], ids=["folder", "pipe"]
)
def test_what_is_no_file_is_not_replaced(tmp_path, make):
    make(tmp_path / "a")
    with pytest.raises(OSError, match=r"a is not a file: choose another name"):
        _files.write(tmp_path / "a", "x")
    assert names(tmp_path) == ["a"] and not (tmp_path / "a").is_file()


def test_no_folder_is_an_error_that_names_it(tmp_path):
    with pytest.raises(FileNotFoundError, match="missing"):
        _files.write(tmp_path / "missing" / "a", "x")


@pytest.mark.parametrize("where", ["fsync", "replace"])
def test_a_full_disk_keeps_the_old_one(tmp_path, monkeypatch, where):
    path = tmp_path / "a"
    _files.write(path, "old")

    def full(*given):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, where, full)
        with pytest.raises(OSError, match="No space"):
            _files.write(path, "new")
    assert path.read_text() == "old" and names(tmp_path) == ["a"]


def test_a_draft_that_is_being_written_is_left_alone_and_a_dead_one_goes(tmp_path):
    path = tmp_path / "a"
    dead, other, alike = (
        tmp_path / name for name in (".a.123-abc.draft", ".ab.123-abc.draft", ".a.notes")
    )
    for file in (dead, other, alike):
        file.write_text("half")
    with _files.replacing(path) as living:
        living.write(b"living")
        living.flush()
        assert not dead.exists(), "nobody holds it"
        _files.write(path, "quicker")
        assert path.read_text() == "quicker"
    assert path.read_text() == "living" and names(tmp_path) == sorted(
        [".a.notes", ".ab.123-abc.draft", "a"]
    )


FULL = """
import numpy as np, sys
from attnlib import _files, masks
from attnlib.show import AttentionView, heatmap
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, 2_000))  # as on a full disk: no file grows more
view = AttentionView(np.full((12, 12), 1 / 12))
for kind in ("html", "png", "svg"):
    try:
        getattr(view, f"to_{kind}")(f"{sys.argv[1]}/a.{kind}")
    except OSError:
        print("said")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no such limit")
def test_pages_and_pictures_survive_a_full_disk(tmp_path):
    files = [tmp_path / name for name in ("a.html", "a.png", "a.svg")]
    view = AttentionView(np.full((3, 3), 1 / 3))
    view.to_html(files[0]), view.to_png(files[1]), view.to_svg(files[2])
    before = [file.read_bytes() for file in files]
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path)], capture_output=True, text=True, timeout=60
    )
    assert done.stdout.split() == ["said"] * 3, done.stderr
    assert [file.read_bytes() for file in files] == before and names(tmp_path) == [
        "a.html",
        "a.png",
        "a.svg",
    ]


@pytest.mark.parametrize("name", ["a.png", "a.html", "a.svg"])
def test_the_command_line_survives_it_too(tmp_path, monkeypatch, capsys, name):
    assert command.main(["The cat sat", "--out", str(tmp_path / name)]) == 0
    before = (tmp_path / name).read_bytes()

    def full(*given):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert command.main(["Another sentence", "--out", str(tmp_path / name)]) == 2
    assert "No space left" in capsys.readouterr().err
    assert (tmp_path / name).read_bytes() == before and names(tmp_path) == [name]


DEVICES = ["CON", "con", "nul.txt", "Aux", "prn.tar.gz", "COM1", "lpt9.x", "COM¹", "com0"]


@pytest.mark.parametrize("said", DEVICES)
def test_no_report_has_the_name_of_a_device(said):
    name = report._file_name({"name": said}, "name", 1, "t.csv", 1)
    assert name.split(".")[0].casefold() not in {one.split(".")[0].casefold() for one in DEVICES}
    assert name.replace("_", "", 1) == said


@pytest.mark.parametrize(
    "said", ["conrad", "Nulla", "aux-in", "anna", "com10", "CON_", "my.con", "文" * 100, "𝐀" * 80]
)
def test_other_names_stay_and_fit(said):
    name = report._file_name({"name": said}, "name", 1, "t.csv", 1)
    assert (
        said.startswith(name)
        and len(f"{name}.ipynb".encode()) < 200
        and len(name) >= min(len(said), 30)
    )
