"""Tables of scores side by side: is a diagonal of one colour, or not?"""

from attnlib.show.parts import Grid, side_by_side
from attnlib.show.sheet import Picture, on_paper


@on_paper
def stripes(tables, *, title="") -> Picture:
    """Tables of scores in one row, each with two-sided colours of its own, 0 in the middle.

    tables   name -> (n_q, n_k), up to three of the same shape

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
    return side_by_side(grids, [str(name) for name in tables], title)
