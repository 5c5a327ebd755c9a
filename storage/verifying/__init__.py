"""Comparing the checkpoints of a database with its rows: what differs, and what to do about it.

Only reads. Every batch of threads is looked at in one snapshot, so that a database in use gives no
false alarms.
"""

from .findings import Finding, Kind
from .verify import Progress, check_threads, problems, verify

__all__ = ["Finding", "Kind", "Progress", "check_threads", "problems", "verify"]
