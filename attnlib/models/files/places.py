"""What people hand to load that is no folder with a checkpoint: what it is, and what to do."""

import re
from pathlib import Path

MERGE = (
    "An adapter changes another model's weights and is read with them: merge the two with peft,"
    " model.merge_and_unload().save_pretrained(new_folder), and load that folder"
)
KINDS = {
    ".bin": "a pickle, which can run code when it is opened and is never read",
    ".onnx": "ONNX, a format that is not read here",
}
KINDS |= dict.fromkeys((".pt", ".pth", ".ckpt", ".pkl"), KINDS[".bin"])
KINDS |= dict.fromkeys((".zip", ".gz", ".tar", ".tgz"), "an archive: unpack it first")


def is_gguf(path):
    """Whether a path is a GGUF file, by its name or its first bytes: Ollama's have no ending."""
    if not path.is_file():
        return False
    with open(path, "rb") as file:
        return path.suffix.lower() == ".gguf" or file.read(4) == b"GGUF"


def file(path):
    """The error for a file where a folder is wanted."""
    kind = KINDS.get(path.suffix.lower())
    wanted = "load takes the folder that holds config.json and model.safetensors"
    if (path.parent / "config.json").is_file():
        wanted += f": {str(path.parent)!r}"
    return ValueError(f"{str(path)!r} is a file{f' ({kind})' if kind else ''}; {wanted}")


def nothing(name, names):
    """The error for a path where nothing is, which may be meant as a name on the model hub."""
    bare = re.sub(r"^https?://(www\.)?(huggingface\.co|hf\.co)/", "", name).strip("/")
    error = FileNotFoundError if Path(name).name != name else ValueError
    fix = ""
    if re.fullmatch(r"[A-Za-z0-9][\w.-]*(/[\w.-]+)?", bare):
        fix = (
            f". If it is a name on the model hub, huggingface_hub.snapshot_download({bare!r})"
            " fetches it, and load takes the folder that this gives back"
        )
    there = ", ".join(map(repr, names))
    return error(
        f"there is no folder {name!r}, and no model of that name; the names are {there}{fix}"
    )


def snapshot(folder):
    """The folder itself; of a folder of the hub's cache, models--x--y, the snapshot in it."""
    if (folder / "config.json").is_file():
        return folder
    owner = folder.parent if folder.name == "snapshots" else folder
    found = sorted(path for path in (owner / "snapshots").glob("*") if path.is_dir())
    if not found:
        return folder
    main = owner / "refs" / "main"
    if main.is_file():
        named = main.read_text(encoding="utf-8", errors="replace")[:200].strip()
        chosen = [path for path in found if path.name == named]
    else:
        chosen = found if len(found) == 1 else []
    if not chosen:
        names = few([path.name for path in found])
        raise ValueError(f"{str(folder)!r} holds several snapshots; load one of them: {names}")
    return chosen[0]


def instead(folder):
    """What a folder without config.json is, as the second half of an error."""
    if (folder / "adapter_config.json").is_file():
        return f"it is an adapter (adapter_config.json). {MERGE}"
    lacks = "it has no config.json"
    if models := sorted(path.name for path in folder.glob("models--*") if path.is_dir()):
        return f"{lacks}. It is the hub's cache; load one of the folders in it: {few(models)}"
    if inside := sorted(path.parent.name for path in folder.glob("*/config.json")):
        return f"{lacks}; these folders in it have one: {few(inside)}"
    if ggufs := sorted(path.name for path in folder.glob("*.gguf")):
        return f"{lacks}; it holds {ggufs[0]!r}: load that file"
    return lacks


def few(names):
    """The first five of some names, in quotes."""
    return ", ".join(map(repr, names[:5])) + (" …" if len(names) > 5 else "")
