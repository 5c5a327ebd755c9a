"""The forms of LangGraph's plain saver: a list of messages as bytes, and a channel's version.

Pure. A list in msgpack is a head, which tells how long it is, and then each message's own bytes,
the very ones that a row's payload holds. So a list is put together from payloads, and taken apart,
without a look into the messages.
"""

import re
from collections.abc import Iterable, Sequence

#: The plain saver's name for values that are not there any more.
EMPTY_TYPE = "empty"
#: `checkpoint_blobs.type` of what LangGraph's serialiser writes, unless it encrypts.
MSGPACK_TYPE = "msgpack"

#: A version that this project's checkpointer made, for Python, SQL and jsonpath alike. For a while
#: it made them with eight digits.
SHORT_VERSION = "^([0-9]{8}|[0-9]{32})[.][A-Za-z0-9_-]{8}$"

_short_version = re.compile(SHORT_VERSION)
#: The characters of `secrets.token_urlsafe`, in the order in which Postgres and Python sort them.
_CHARACTERS = "-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz"
_DIGITS = 16

#: Bytes after the first one of an extension's head: its length, then its code.
_EXTENSION_HEADS = {0xC7: 1, 0xC8: 2, 0xC9: 4}
_FIXED_EXTENSIONS = {0xD4: 1, 0xD5: 2, 0xD6: 4, 0xD7: 8, 0xD8: 16}


def plain_version(version: str) -> str:
    """The plain saver's form of a channel's version, if it isn't in that already.

    Different versions stay different, and stay in their order: the plain saver goes on from the
    greatest, and a node runs when a channel's version is greater than the one that it has seen.
    """
    if _short_version.fullmatch(version) is None:
        return version
    number, chance = version.split(".")
    share = 0
    for character in chance:
        share = share * len(_CHARACTERS) + _CHARACTERS.index(character)
    # Of 2^48 shares, each is a decimal fraction of its own in sixteen digits.
    fraction = share * 10**_DIGITS // len(_CHARACTERS) ** len(chance)
    return f"{int(number):032}.0.{fraction:0{_DIGITS}}"


def join_list(payloads: Sequence[bytes]) -> bytes:
    """A list as msgpack has it, of values that are in msgpack each."""
    length = len(payloads)
    if length < 16:
        head = bytes([0x90 | length])
    elif length < 2**16:
        head = b"\xdc" + length.to_bytes(2)
    else:
        head = b"\xdd" + length.to_bytes(4)
    return head + b"".join(payloads)


def list_start(data: bytes) -> int | None:
    """Where the first value of a list in msgpack begins; none if it isn't a list."""
    if not data:
        return None
    if data[0] & 0xF0 == 0x90:
        return 1
    return {0xDC: 3, 0xDD: 5}.get(data[0])


def value_ends(data: bytes, start: int) -> Iterable[int]:
    """Where each value ends, from the one that begins at `start` to the end of the data.

    Only of values that are extensions, as messages are.

    Raises:
        ValueError: another kind of value, or half of one.
    """
    while start < len(data):
        kind = data[start]
        if (fixed := _FIXED_EXTENSIONS.get(kind)) is not None:
            start += 2 + fixed
        elif (width := _EXTENSION_HEADS.get(kind)) is not None:
            start += 2 + width + int.from_bytes(data[start + 1 : start + 1 + width])
        else:
            raise ValueError(f"a value that begins with 0x{kind:02x} is no extension")
        if start > len(data):
            raise ValueError("the data ends in the middle of a value")
        yield start
