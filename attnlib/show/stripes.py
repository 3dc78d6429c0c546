"""Tables of scores side by side: is a diagonal of one colour, or not?"""

from attnlib.show.parts import Grid, side_by_side
from attnlib.show.sheet import Picture, on_paper

ALIKE = 2  # so many times as large as the others the largest number of a table may be


@on_paper
def stripes(tables, *, axes=None, title="") -> Picture:
    """Tables of scores in one row in two-sided colours, 0 in the middle: on one scale, or where
    they are not of one size, each on its own, and says so.

    tables   name -> (n_q, n_k), up to three of the same shape
    axes     names of rows and columns, if they are not queries and keys

    A table that knows nothing but the distance has one colour along each diagonal: it is striped.
    """
    if not isinstance(tables, dict) or not 1 <= len(tables) <= 3:
        raise ValueError("tables must be a dict name -> (n_q, n_k), with one to three tables")
    grids = [
        Grid(f"tables[{name!r}]", table, None, None, None, True, None)
        for name, table in tables.items()
    ]
    if len({grid.shape for grid in grids}) > 1:
        raise ValueError(
            f"tables must have one shape, got {', '.join(str(grid.shape) for grid in grids)}"
        )
    most = [grid.vmax for grid in grids]
    notes = None
    if max(most) > ALIKE * min(most):
        notes = [f"its own scale: ±{one:.2g}" for one in most]
    else:
        grids = [Grid("tables", grid.data, None, None, None, True, max(most)) for grid in grids]
    return side_by_side(grids, [str(name) for name in tables], title, notes=notes, axes=axes)
