"""Chat: messages become the one text that a model goes on with, as its chat template says.

prompt          messages -> that text
read_template   what a folder says about it
"""

import json
import subprocess
import sys
from pathlib import Path

from attnlib import _check
from attnlib.models.files import fill
from attnlib.models.files.checkpoint import EXTRA
from attnlib.models.files.config import read_object

SECONDS = 10  # in which a template must be filled in; it takes a tenth of one
MARKS = "bos_token", "eos_token", "unk_token", "pad_token"


def prompt(messages, template, marks=None):
    """Messages -> the text that ends where the model's reply begins.

    messages   [{"role": "user", "content": "…"}, …], roles as the template knows them, mostly
               "system", "user" and "assistant"; a string is one message of the user
    template   a Jinja template, as models bring one. It is a stranger's program: it runs in a
               sandbox and a process of its own, see files/fill.py
    marks      {"bos_token": "<s>", …}, the special tokens that a template may name
    """
    values = {"messages": _checked(messages), "add_generation_prompt": True}
    values |= {"tools": None, "documents": None} | _check.words(
        "marks", {} if marks is None else marks
    )
    template = _check.text("template", template)
    given = json.dumps({"path": sys.path, "template": template, "values": values})
    try:
        command = [sys.executable, "-I", fill.__file__]
        done = subprocess.run(command, input=given.encode(), capture_output=True, timeout=SECONDS)
        found = json.loads(done.stdout or '{"error": "it took more memory than it may"}')
    except subprocess.TimeoutExpired:
        found = {"error": f"it took more than {SECONDS} seconds"}
    except OSError as error:  # in a browser there are no processes
        raise OSError(error.errno, f"a chat template needs a process: {error.strerror}") from None
    if "lacks" in found:
        raise ImportError(f"filling in a chat template needs jinja2: {EXTRA}")
    if "error" in found:
        raise ValueError(
            f"the model's chat template cannot be filled in with these messages: {found['error']}."
            " Other messages may do; else write the prompt yourself, for model.generate(text)"
        )
    return found["text"]


def _checked(messages):
    """Messages as a list of dicts with strings."""
    if isinstance(messages, str):
        messages = [{"role": "user", "content": messages}]
    wanted = 'messages must be a list of {"role": "user", "content": "…"}, or a string'
    if not isinstance(messages, (list, tuple)):
        raise TypeError(f"{wanted}, got {_check.short(messages)}")
    if not messages:
        raise ValueError(f"{wanted}, got none")
    checked = []
    for i, message in enumerate(messages):
        if not isinstance(message, dict):
            raise TypeError(f"{wanted}; messages[{i}] is {_check.short(message)}")
        if message.keys() != {"role", "content"}:
            raise ValueError(f"{wanted}; messages[{i}] has the keys {_check.short([*message])}")
        checked.append({k: _check.text(f"messages[{i}]['{k}']", v) for k, v in message.items()})
    return checked


def read_template(folder):
    """What a folder says about chats: {"chat_template": its source, "marks": see `prompt`}, or {}.

    Newer folders have chat_template.jinja, older ones an entry in tokenizer_config.json.
    """
    path, newer = Path(folder, "tokenizer_config.json"), Path(folder, "chat_template.jinja")
    about = read_object(path) if path.is_file() else {}
    template = about.get("chat_template")
    if isinstance(template, list):  # several, by name: for tools, say
        named = {one.get("name"): one.get("template") for one in template if isinstance(one, dict)}
        template = named.get("default")
    if newer.is_file():
        template = newer.read_text(encoding="utf-8")
    if not isinstance(template, str):
        return {}
    tokens = {mark: about.get(mark) for mark in MARKS}
    tokens = {m: t.get("content") if isinstance(t, dict) else t for m, t in tokens.items()}
    marks = {mark: token for mark, token in tokens.items() if isinstance(token, str)}
    return {"chat_template": template, "marks": marks}
