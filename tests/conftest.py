"""What holds for the tests and for every kernel that they start.

One BLAS thread: two on a busy machine are slower, not faster. And nobody's exercises are done, whatever lies in notebooks/.
"""

import os
import tempfile
from pathlib import Path

import pytest

for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")
os.environ.setdefault("PYDEVD_DISABLE_FILE_VALIDATION", "1")
PROGRESS = Path(tempfile.mkdtemp(prefix="attnlib-"), "attnlib-progress.json")
os.environ["ATTNLIB_PROGRESS"] = str(PROGRESS)


@pytest.fixture(autouse=True)
def no_progress_is_left_behind():
    """What a test passes is forgotten, or a notebook that runs later in the same process would show it."""
    yield
    PROGRESS.unlink(missing_ok=True)


@pytest.fixture
def style(request):
    """The colours of the theme in use, light unless a test asks for another; the theme that was there before comes back."""
    from attnlib.show import sheet  # not before the variables above are set

    before = sheet._theme
    name = getattr(request, "param", "light")
    sheet.theme(name)
    yield sheet.THEMES[name]
    sheet._theme = before


in_both_themes = pytest.mark.parametrize("style", ["light", "dark"], indirect=True)
