"""Where a third of the time of a model went: to asking the system for memory."""

import ctypes

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # names of glibc's malloc.h


def keep_memory():
    """Let the C library keep the memory of freed arrays, for the next arrays of this process.

    Without it, big arrays go back to the system when they are freed, and each new one begins with
    thousands of page faults; yet a model makes the same arrays again in every layer, and a training
    step in every step. On systems without glibc's mallopt nothing happens.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return
    mallopt(M_TRIM_THRESHOLD, 2**30)  # give back only above 1 GiB
    mallopt(M_MMAP_THRESHOLD, 2**25)  # arrays to 32 MiB come from the heap
