"""A chat template, filled in: a process of its own, started by chat.py, in which nothing else is.

A template is a small program that a stranger wrote, and comes with the model. Jinja's sandbox lets
it compute and read its messages, and nothing else: no attribute with an underscore, no file, no
import. How long it takes and how much memory, no sandbox bounds; so it runs here, where it can be
stopped.

Reads {"path", "template", "values"} as JSON, writes {"text"} or {"error"}.
"""

import json
import sys

ROOM = 1 << 30  # bytes of memory
LONGEST = 10_000_000  # signs of what is filled in


def filled(template, values):
    """What a template makes of its values, by the rules of transformers."""
    from datetime import datetime

    from jinja2 import TemplateError
    from jinja2.ext import Extension, loopcontrols
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Generation(Extension):
        """{% generation %} … {% endgeneration %} marks what the model wrote: it stays as it is."""

        tags = frozenset(["generation"])

        def parse(self, parser):
            next(parser.stream)
            return parser.parse_statements(("name:endgeneration",), drop_needle=True)

    def raise_exception(message):
        raise TemplateError(message)

    def tojson(value, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        options = {"indent": indent, "separators": separators, "sort_keys": sort_keys}
        return json.dumps(value, ensure_ascii=ensure_ascii, **options)

    sandbox = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, loopcontrols]
    )
    sandbox.filters["tojson"] = tojson
    sandbox.globals["raise_exception"] = raise_exception
    sandbox.globals["strftime_now"] = lambda form: datetime.now().strftime(form)
    return sandbox.from_string(template).render(values)


def main():
    """Fill in one template, within `ROOM`."""
    given = json.load(sys.stdin)
    sys.path[:] = given["path"]  # where this process's parent finds jinja2
    try:
        import jinja2  # noqa: F401
    except ImportError:
        return {"lacks": "jinja2"}
    try:
        import resource  # not on Windows

        resource.setrlimit(resource.RLIMIT_AS, (ROOM, ROOM))
    except (ImportError, ValueError, OSError):
        pass
    try:
        text = filled(given["template"], given["values"])
    except Exception as error:  # whatever a stranger's program does
        return {"error": f"{type(error).__name__}: {error}"[:300].strip(": .")}
    if len(text) > LONGEST:
        return {"error": f"it wrote {len(text):,} signs, and {LONGEST:,} are the most"}
    return {"text": text}


if __name__ == "__main__":
    print(json.dumps(main()))
