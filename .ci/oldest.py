"""The oldest versions that the requirements allow, as a constraints file: name>=1.2 becomes
name==1.2.

    python .ci/oldest.py > oldest.txt && pip install -e . -r tests/requirements.txt -c oldest.txt

The numbers stand in requirements.txt, tests/requirements.txt and pyproject.toml, and nowhere else.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BOUND = re.compile(r"\s*([A-Za-z0-9._-]+)\s*>=\s*([0-9][0-9.]*)\s*$")


def requirements(path):
    """The lines of a requirements file without comments, and those of the files that it reads with
    -r.
    """
    for line in path.read_text(encoding="utf-8").splitlines():
        line = line.split("#")[0].strip()
        if line.startswith("-r "):
            yield from requirements((path.parent / line[3:].strip()).resolve())
        elif line:
            yield line


def packaged(path):
    """What the package asks for in pyproject.toml: its dependencies, and those of its extra."""
    lists = re.findall(
        r"^(?:dependencies|models) = \[(.*?)\]", path.read_text(encoding="utf-8"), re.M | re.S
    )
    return [line for part in lists for line in re.findall(r'"([^"]+)"', part)]


def bounds(lines):
    """Name -> its lower bound; ValueError for a line that is no plain lower bound, or a second,
    other bound for a name.
    """
    found = {}
    for line in lines:
        match = BOUND.match(line)
        if not match:
            raise ValueError(f"not a plain lower bound, name>=version: {line!r}")
        name, version = match[1].lower().replace("_", "-"), match[2]
        if found.setdefault(name, version) != version:
            raise ValueError(f"{name} has two lower bounds, {found[name]} and {version}")
    return found


def main():
    asked = [*requirements(ROOT / "tests" / "requirements.txt"), *packaged(ROOT / "pyproject.toml")]
    for name, version in sorted(bounds(asked).items()):
        print(f"{name}=={version}")


if __name__ == "__main__":
    sys.exit(main())
