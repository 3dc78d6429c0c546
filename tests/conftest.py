"""What holds for the tests and for every kernel that they start.

One BLAS thread: two on a busy machine are slower, not faster. And nobody's exercises are done,
whatever lies in notebooks/.
"""

import gc
import os
import tempfile
import warnings
from pathlib import Path

import pytest

for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")
os.environ.setdefault("PYDEVD_DISABLE_FILE_VALIDATION", "1")
QUICK = str(Path(__file__).parent / "quick")
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [QUICK, os.environ.get("PYTHONPATH")]))
PROGRESS = Path(tempfile.mkdtemp(prefix="attnlib-"), "attnlib-progress.json")
os.environ["ATTNLIB_PROGRESS"] = str(PROGRESS)


# What takes longest comes first, so that no worker has it alone at the end.
LONGEST = ["notebooks_run", "lite", "exercises", "odd_input", "places", "browser", "reorder"]
LONGEST += ["report", "notebooks_static", "explorer", "threads", "bench"]


def pytest_configure(config):
    config.option.loadscopereorder = False  # xdist would begin where the most tests are


def pytest_collection_modifyitems(items):
    """Files of LONGEST, notebooks, all others."""
    place = {f"test_{name}": number for number, name in enumerate(LONGEST)}
    last = {".ipynb": len(place), ".py": len(place) + 1}
    items.sort(key=lambda item: place.get(item.path.stem, last[item.path.suffix]))


@pytest.fixture(autouse=True)
def no_progress_is_left_behind():
    """What a test passes is forgotten, or a notebook that runs later in the same process would show
    it.
    """
    yield
    PROGRESS.unlink(missing_ok=True)


@pytest.fixture(autouse=True, scope="module")
def nothing_is_left_for_the_next_module():
    """Event loops that papermill leaves open are cleared away here: found later, they would be an
    error of some other test.
    """
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.fixture(scope="module")
def stages():
    """Where all of a file's tests show live pictures: tests/shown.py."""
    import shown

    with shown.Stages() as stages:
        yield stages


@pytest.fixture
def stage(stages):
    """stage(view, width=830, …) opens it. -> its tab; at the end the console must be clean."""
    stages.forget()
    yield stages.open
    stages.clean()


@pytest.fixture
def exact_images():
    """matplotlib 3.10 draws a row of an image twice where the image does not begin at a whole dot:
    skipped there.
    """
    import matplotlib

    if tuple(map(int, matplotlib.__version__.split(".")[:2])) < (3, 11):
        pytest.skip(f"matplotlib {matplotlib.__version__} moves images by a dot")


@pytest.fixture
def style(request):
    """The colours of the theme in use, light unless a test asks for another; the theme that was
    there before comes back.
    """
    from attnlib.show import sheet  # not before the variables above are set

    before = sheet._theme
    name = getattr(request, "param", "light")
    sheet.theme(name)
    yield sheet.THEMES[name]
    sheet._theme = before


in_both_themes = pytest.mark.parametrize("style", ["light", "dark"], indirect=True)
