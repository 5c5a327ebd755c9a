"""What `storage` raises. Each message names the value at fault and what to do next."""


class StorageError(Exception):
    """Something about the database or what is stored in it is not as it has to be."""
