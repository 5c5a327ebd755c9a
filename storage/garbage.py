"""When Python looks for garbage."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def no_collection() -> Iterator[None]:
    """No garbage collection within the block, which has to be short.

    Thousands of new objects set it off again and again, to find each time that all are in use.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def leave_alone_what_is_there() -> None:
    """Never look again for garbage among the objects that are there now, when a process is ready.

    Of a server that has loaded its graph, those are a million, in use until it stops. To go through
    all of them takes a tenth of a second, in which nobody is answered, and it happens every few
    hundred turns.
    """
    gc.collect()
    gc.freeze()
