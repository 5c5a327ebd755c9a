"""Postgres: the models, the transcript tree and its checkpointer, the embedded server.

Knows nothing of tasks or of this app, so that it can be shipped by itself: inside it, imports are
relative.
"""
