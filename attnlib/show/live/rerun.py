"""A cell that is run again lets go of the views that it showed before: their comms, their widgets,
their arrays.
"""

import gc
import sys
import weakref

import ipywidgets as widgets

_made = {}  # cell -> (its run, the views that were made in it)


def replaces(view):
    """Take the place of the views that an earlier run of this cell has made, and close them.

    Called by a view at the end of its `__init__`. Outside a notebook, and where a slider's callback
    makes a view, nothing is closed. What the reader still holds by another name goes on as an
    object, but is no longer live.
    """
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    cell, run = _running(shell)
    if cell is None:
        return
    last, views = _made.get(cell, (run, []))
    if last != run:
        for old in [old for old in (ref() for ref in views) if old is not None]:
            _close(old)
            _forget(shell, old)
        views, old = [], None
        gc.collect()  # widgets hold each other in circles, and arrays with them
    _made[cell] = run, [*views, weakref.ref(view)]


def _running(shell):
    """The cell that runs now and the number of its run; None where no cell runs."""
    if shell is None:
        return None, None
    parent = getattr(shell, "get_parent", dict)() or {}
    if not parent:  # a kernel in the browser, or IPython in a terminal
        return shell.user_ns["In"][-1], shell.execution_count
    if parent["header"]["msg_type"] != "execute_request":
        return None, None
    cell = parent.get("metadata", {}).get("cellId") or parent["content"]["code"]
    return cell, parent["header"]["msg_id"]


def _close(view):
    """Close a view with all that it is made of, but not the controls that were handed to it."""
    spared, todo = set(map(id, getattr(view, "handed", ()))), [view]
    for control in getattr(view, "handed", ()):
        control.unobserve(view._moved, names="value")
    while todo:
        widget = todo.pop()
        if id(widget) in spared or getattr(widget, "comm", None) is None:
            continue
        values = [getattr(widget, name) for name in widget.keys if not name.startswith("_")]
        parts = [*values, *getattr(widget, "children", ()), *getattr(widget, "links", ())]
        widget.close()
        todo += [part for part in parts if isinstance(part, widgets.Widget)]
        widget.unobserve_all()


def _forget(shell, view):
    """Take a view out of IPython's memory of results: Out, _, __, ___, _12."""
    results = shell.user_ns.get("_oh", {})
    for number in [number for number, result in results.items() if result is view]:
        del results[number]
    for names in (shell.user_ns, shell.user_ns_hidden):
        for name in [
            name for name, thing in names.items() if thing is view and name.startswith("_")
        ]:
            names[name] = ""
    for name in ("_", "__", "___"):
        if getattr(shell.displayhook, name, None) is view:
            setattr(shell.displayhook, name, "")
