"""What belongs to the course alone: its order, the explorer of its first notebook, and the game of
its last; `shipped/` holds the scripts that trained what is shipped.
"""

from attnlib.course import capstone
from attnlib.course.explorer import explorer

__all__ = ["capstone", "explorer"]
