"""A cell that is run again lets go of the views it showed before; what is not its own stays."""

import gc
import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from jupyter_client.manager import start_new_kernel

START = """
import ipywidgets as widgets
import numpy as np
from IPython.display import display
from ipywidgets.widgets.widget import _instances

from attnlib.course import explorer
from attnlib.show import AttentionView, CompareView, Machine, Threads, explore, heatmap
from attnlib.show import Arrows, Atlas, Deal, Desk, Painter, Walks

w = np.full((2, 3, 8, 8), 1 / 8, np.float32)
large = np.full((10, 1, 700, 700), 1 / 700, np.float32)
x = np.random.default_rng(0).normal(size=(6, 8))
given = widgets.IntSlider(3, min=2, max=9)

def draw(n=3):
    return heatmap(w[0, 0, :n, :n])

def megabytes():
    return int(open("/proc/self/statm").read().split()[1]) * 4096 / 1e6
"""

KINDS = {
    "AttentionView": "AttentionView(w)",
    "a name": "view = AttentionView(w)\nview",
    "two in a cell": "display(AttentionView(w))\nAttentionView(w)",
    "CompareView": "CompareView(w[0, 0], w[0, 1])",
    "Machine": "Machine(x, x, x)",
    "Arrows": "Arrows(x[0, :2], x[:, :2])",
    "Atlas": "Atlas({'itself': w[0, 0]})",
    "Painter": "Painter()",
    "Deal": "Deal(w[0, :2], ['a', 'b'])",
    "Desk": "Desk([list('ab')], ['p', 'q'], [w[0, 0, :2, :2]], {'j': {'who': 'p', 'whom': 'q'}})",
    "Walks": "Walks()",
    "explore": "explore(draw, n=(2, 9))",
    "explore with choices": "explore(draw, n=[2, 3])",
    "explore with a slider that was handed to it": "explore(draw, n=given)",
    "explorer": "explorer()",
    "explorer with a model": "explorer(model='tiny-gpt')",
    "Threads": "Threads(w[0])",
}


class Kernel:
    """A notebook's kernel, in which a cell is run as JupyterLab runs it: with the cell's name
    beside its code.
    """

    def __init__(self):
        self.manager, self.client = start_new_kernel(
            env=os.environ | {"OPENBLAS_NUM_THREADS": "1"}, extra_arguments=["--log-level=50"]
        )
        self.run(START)

    def run(self, code, cell=None):
        content = {
            "code": code,
            "silent": False,
            "store_history": True,
            "user_expressions": {},
            "allow_stdin": False,
            "stop_on_error": False,
        }
        asked = self.client.session.msg(
            "execute_request", content, metadata={"cellId": cell} if cell else {}
        )
        self.client.shell_channel.send(asked)
        said = ""
        while True:
            answer = self.client.get_iopub_msg(timeout=60)
            if answer["parent_header"].get("msg_id") == asked["header"]["msg_id"]:
                assert answer["msg_type"] != "error", "\n".join(answer["content"]["traceback"])
                said += answer["content"].get("text", "") if answer["msg_type"] == "stream" else ""
                if answer["content"].get("execution_state") == "idle":
                    return said

    def widgets(self):
        return int(self.run("print(len(_instances))"))

    def stop(self):
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)


@pytest.fixture(scope="module")
def kernel():
    kernel = Kernel()
    yield kernel
    kernel.stop()


@pytest.mark.parametrize(
    "kind, cell", [*((kind, "named") for kind in KINDS), ("AttentionView", None), ("explore", None)]
)
def test_a_cell_that_is_run_again_keeps_one_set_of_views(kernel, kind, cell):
    """JupyterLab says which cell it runs; elsewhere a cell is known by its code."""
    counts = []
    for _ in range(3):
        kernel.run(KINDS[kind], cell and f"{cell} {kind}")
        counts.append(kernel.widgets())
    assert counts == counts[:1] * 3


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="memory is read from /proc")
def test_many_runs_of_a_cell_take_no_more_memory_than_a_few(kernel):
    for _ in range(3):
        kernel.run("AttentionView(large * 1)", "many")
    before = float(kernel.run("print(megabytes())"))
    for _ in range(20):
        kernel.run("AttentionView(large * 1)", "many")
    assert float(kernel.run("print(megabytes())")) - before < 60, "a single one has 20 MB"


def test_what_the_reader_holds_goes_on_as_an_object(kernel):
    kernel.run("kept = []")
    for _ in range(2):
        kernel.run(
            "view = AttentionView(w[0], list('abcdefgh'))\nview.pinned = [1,"
            " 2]\nkept.append(view)\nview",
            "held",
        )
    asked = (
        "kept[0].pinned, kept[0].comm is None, kept[1].comm is None, len(kept[0].to_html()) > 999,"
        " len(kept[0].to_png()) > 99"
    )
    said = kernel.run(f"print({asked})")
    assert said == "[1, 2] True False True True\n"


def test_a_slider_that_was_handed_over_stays_and_moves_only_the_new_picture(kernel):
    for _ in range(3):
        kernel.run(
            "drawn = []\ndef noted(n):\n    drawn.append(n)\n    return draw(n)\nlast ="
            " explore(noted, n=given)\nlast",
            "handed",
        )
    kernel.run("seen = []\ngiven.observe(lambda change: seen.append(change.new), names='value')")
    kernel.run("last = explore(noted, n=given)\nlast", "handed")
    kernel.run("drawn.clear()\ngiven.value = given.value % 9 + 2")
    assert kernel.run("print(len(drawn), len(seen), last.error)") == "1 1 \n"


def test_views_of_other_cells_and_of_the_same_run_stay(kernel):
    kernel.run("first = AttentionView(w[0, 0])\nsecond = AttentionView(w[0, 1])", "A")
    kernel.run("third = AttentionView(w[0, 2])", "B")
    kernel.run("first", "C")
    kernel.run("third", "B2")
    assert (
        kernel.run("print([one.comm is not None for one in (first, second, third)])")
        == "[True, True, True]\n"
    )
    kernel.run("other = AttentionView(w[0, 0])", "A")
    assert (
        kernel.run("print([one.comm is not None for one in (first, second, third, other)])")
        == "[False, False, True, True]\n"
    )


def test_an_error_in_the_second_run_keeps_the_first_views(kernel):
    kernel.run("first = AttentionView(w[0, 0])", "error")
    with pytest.raises(AssertionError, match="ZeroDivisionError"):
        kernel.run("1 / 0\nfirst = AttentionView(w[0, 0])", "error")
    assert kernel.run("print(first.comm is not None)") == "True\n"


def test_a_view_that_a_click_makes_closes_nothing(kernel):
    kernel.run(
        "button, made = widgets.Button(), []\nbutton.on_click(lambda _:"
        " made.append(AttentionView(w[0, 0])))"
    )
    kernel.run("first = AttentionView(w[0, 0])", "click")
    comm = kernel.run("print(button.comm.comm_id)").strip()
    for _ in range(2):
        message = {"comm_id": comm, "data": {"method": "custom", "content": {"event": "click"}}}
        kernel.client.shell_channel.send(kernel.client.session.msg("comm_msg", message))
    assert (
        kernel.run("print(len(made), [one.comm is not None for one in [first, *made]])")
        == "2 [True, True, True]\n"
    )


def test_outside_a_notebook_nothing_is_closed():
    code = """
        import numpy as np
        from attnlib.show import AttentionView
        from ipywidgets.widgets.widget import _instances
        views = [AttentionView(np.eye(3)) for _ in range(3)]
        assert len({view.model_id for view in views}) == 3
        assert all(view.comm is not None for view in views)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr


# ---- memory of one view --------------------------------------------------------------------------

LARGE = """
import resource, sys
import numpy as np
from attnlib.show import AttentionView
a = np.full((8, 12, 700, 700), 1 / 700, np.dtype(sys.argv[1]))
mask = np.tri(700, dtype=bool) if len(sys.argv) < 3 else np.ones((8, 12, 700, 700), bool)
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
before = peak()
view = AttentionView(a, mask=mask)
view._repr_mimebundle_()
view.layer = 7
print(peak() - before, len(view._weights) / 2**20)
"""


@pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="kilobytes on Linux, bytes on macOS"
)
@pytest.mark.parametrize(
    "given", [["float32"], ["float64"], ["float32", "masks of their own"]], ids=" ".join
)
def test_a_large_view_works_layer_by_layer(given):
    done = subprocess.run(
        [sys.executable, "-c", LARGE, *given], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    more, crossing = map(float, done.stdout.split())
    assert crossing < 15 and more < 230, "an array of 190 MB, in eight layers"


def test_large_and_small_arrays_give_the_same_view(monkeypatch):
    from attnlib.show import AttentionView
    from attnlib.show.live import view

    rng = np.random.default_rng(0)
    weights = rng.normal(size=(3, 2, 5, 6)).astype(np.float32)
    weights[0, 0, 0, 0], weights[2, 1, 3] = np.nan, 0
    mask = rng.random((3, 2, 5, 6)) < 0.7
    small = AttentionView(weights, mask=mask)
    monkeypatch.setattr(view, "COPIED", 10)
    large = AttentionView(weights, mask=mask)
    for name in ("_weights", "_sums", "_mask", "_range", "_sum_range", "_notes", "_shape"):
        assert getattr(small, name) == getattr(large, name), name
    assert small.to_html() == large.to_html()
    gc.collect()
