"""Stop a function that does not come back."""

import _thread
import signal
import threading
import time

INTERRUPTS = 50  # then it is let run: the stop button is still there


class TooSlow(TimeoutError):
    """The function was stopped, in contrast to one that raises TimeoutError itself."""


def _stop(late, over):
    """Say that it is late, and interrupt the main thread until the function is over, or INTERRUPTS
    times.
    """
    late.set()
    for _ in range(INTERRUPTS):  # a bare `except:` may swallow one, or many
        if over.is_set():
            break
        if hasattr(signal, "pthread_kill"):
            # also wakes a sleeping function
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        else:
            _thread.interrupt_main()
        over.wait(0.2)


def call(function, *arguments, seconds):
    """function(*arguments), interrupted after so many seconds as if the stop button were pressed.

    Raises TooSlow then. Where a Python program cannot be interrupted, the function runs without a
    limit: outside the main thread, where there are no threads (as in a browser), and in Python 3.10
    in a loop that begins with `try` and calls nothing, since that Python looks at no interrupt
    there.
    """
    if (
        threading.current_thread() is not threading.main_thread()
        or signal.getsignal(signal.SIGINT) is not signal.default_int_handler
    ):
        return function(*arguments)
    late, over = threading.Event(), threading.Event()
    timer = threading.Timer(seconds, _stop, (late, over))
    timer.daemon = True

    def end():
        over.set()
        timer.cancel()
        timer.join()
        if late.is_set():
            time.sleep(0.05)  # an interrupt on its way arrives here, not later

    try:
        timer.start()
    except RuntimeError:  # no threads here
        return function(*arguments)
    try:
        try:
            return function(*arguments)
        finally:
            end()
    except KeyboardInterrupt:
        end()  # where it came in the midst of that
        if late.is_set():
            raise TooSlow(f"the function took more than {seconds} seconds") from None
        raise
