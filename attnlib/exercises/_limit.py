"""Stop a function that does not come back."""

import _thread
import signal
import sys
import threading
import time


class TooSlow(TimeoutError):
    """The function was stopped, in contrast to one that raises TimeoutError itself."""


def _stop(late, over):
    """Say that it is late, and interrupt the main thread until the function is over."""
    late.set()
    while not over.is_set():                               # a bare `except:` may swallow one interrupt, or many
        if hasattr(signal, "pthread_kill"):
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)         # also wakes a sleeping function
        else:
            _thread.interrupt_main()
        over.wait(0.2)


def _insist(outside):
    """A handler of the stop button. Where it was swallowed, the next press counts twice: again at the next line.

    Python 3.10 notices it in a short loop only within a `try`: a bare `except:` there would swallow it for ever.
    """
    presses = []

    def again(frame, event, argument):
        if event == "line":
            raise KeyboardInterrupt
        return again

    def pressed(number, frame):
        presses.append(number)
        if len(presses) > 1:
            sys.settrace(lambda *given: None)              # or Python would not look at the traces of the frames
            while frame is not None and frame is not outside:
                frame.f_trace, frame = again, frame.f_back
        raise KeyboardInterrupt

    return pressed


def call(function, *arguments, seconds):
    """function(*arguments), interrupted after so many seconds as if the stop button were pressed.

    Raises TooSlow then. Where a Python program cannot be interrupted (outside the main thread, or where there
    are no threads, as in a browser), the function runs without a limit.
    """
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        return function(*arguments)
    late, over = threading.Event(), threading.Event()
    timer = threading.Timer(seconds, _stop, (late, over))
    timer.daemon = True
    try:
        timer.start()
    except RuntimeError:                                   # no threads here
        return function(*arguments)
    trace = sys.gettrace()
    try:
        signal.signal(signal.SIGINT, _insist(sys._getframe()))
        try:
            return function(*arguments)
        finally:
            over.set()
            timer.cancel()
            timer.join()
            if late.is_set():
                time.sleep(0.05)                           # an interrupt on its way arrives here, not later
    except KeyboardInterrupt:
        if late.is_set():
            raise TooSlow(f"the function took more than {seconds} seconds") from None
        raise
    finally:
        sys.settrace(trace)
        signal.signal(signal.SIGINT, signal.default_int_handler)
