"""The commands that look after the tree: `verify`, `repair`, `adopt`, `eject` and `redact`.

They are those of `task-agent`, and of `langgraph-transcript` where the storage is shipped by
itself. Only here does the storage print, and only here does it need `typer` and `rich`.
"""
