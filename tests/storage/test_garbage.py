"""Garbage is still found by a process that leaves alone what was there when it was ready."""

import subprocess
import sys

PROGRAM = """
import gc, weakref
from storage.garbage import leave_alone_what_is_there

class Node:
    pass

def circle():
    node = Node()
    node.itself = node
    return weakref.ref(node)

gc.disable()
before = circle()
leave_alone_what_is_there()
assert before() is None, "garbage from before was kept for good"
assert gc.get_freeze_count() > 1_000, gc.get_freeze_count()
after = circle()
assert gc.collect() >= 1
assert after() is None, "garbage from after is not found"
"""


def test_only_what_is_in_use_is_left_alone() -> None:
    # In a process of its own: it holds for a process as a whole.
    subprocess.run([sys.executable, "-c", PROGRAM], check=True, timeout=60)
