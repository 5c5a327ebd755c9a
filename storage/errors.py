"""What `storage` raises. Each message names the value at fault and what to do next."""


class StorageError(Exception):
    """Something about the database or what is stored in it is not as it has to be."""


class DatabaseFailedError(StorageError, RuntimeError):
    """The database could not do what was asked of it just now: no space, no connection, too busy.

    A RuntimeError too, because LangGraph's server passes the text of no other errors on to clients.
    """


class NoSuchThreadError(StorageError):
    """The database holds nothing of a thread."""
