"""What `storage` raises. Each message names the value at fault and what to do next."""


class StorageError(Exception):
    """Something about the database or what is stored in it is not as it has to be."""


class DatabaseFailedError(StorageError, RuntimeError):
    """The database could not do what was asked of it just now: no space, no connection, too busy.

    A RuntimeError too, because LangGraph's server passes the text of no other errors on to clients.
    """


class NoSuchThreadError(StorageError):
    """The database holds nothing of a thread."""


class DatabaseUnreachableError(StorageError):
    """The server did not answer, or refused the user, the password or the database."""


class UnsuitablePoolError(StorageError):
    """A pool that a saver was given is closed, or its connections are not in autocommit mode."""


class TablesMissingError(StorageError):
    """The database lacks tables or columns that are needed: nobody has made or upgraded them."""


class SetupError(StorageError):
    """`setup()` could not make the tables that the saver needs; nothing was changed."""


class TablesDifferError(SetupError):
    """Tables of the names that are needed exist, but they are others, or somebody changed them."""


class TablesNewerError(SetupError):
    """A newer version of the code has set the tables up."""


class SetupBusyError(SetupError):
    """Another process is setting up, or uses a table that has to be changed; try again later."""


class UserDeletedError(StorageError, RuntimeError):
    """A user was deleted while a run of theirs was under way.

    A RuntimeError too, for the same reason.
    """
