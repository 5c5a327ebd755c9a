"""The forms in which LangGraph's serialiser stores values, opened and closed without its classes.

A serialiser makes objects of what it reads, and only of the classes that it was told of; of others
it makes something less, and writing that back would lose them. To change a word inside of a stored
value, nothing has to be made of it: here it is opened as plain lists, dicts and texts, with
`Extension` where an object lies, and closed again to the very same bytes.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import ormsgpack
from langgraph.checkpoint.serde.base import SerializerProtocol

from .errors import StorageError

#: Forms that hold nothing to look into. `transcript` is the tree's own: a digest.
HOLLOW = ("null", "empty", "transcript")

#: Stands between a form and the cipher that it is encrypted with.
ENCRYPTED = "+"

#: Codes of extensions whose values begin with a module and a class.
_OBJECTS = range(6)

#: Codes of all extensions of LangGraph's, which are packed in the same way inside.
_PACKED = range(8)

# An `Extension` is a dataclass, which would be taken for a dict.
_OPTIONS = ormsgpack.OPT_NON_STR_KEYS | ormsgpack.OPT_PASSTHROUGH_DATACLASS


class UnopenableValueError(StorageError):
    """A stored value is in a form that can't be looked into, let alone changed."""


@dataclass(frozen=True, slots=True)
class Extension:
    """An object inside of a stored value: what the serialiser would make it of."""

    code: int
    #: For most codes a list: module, class, and what the class is called with. The bytes as they
    #: are where nothing can be made of them.
    value: Any


@dataclass(frozen=True, slots=True)
class Form:
    """How a value is stored: the serialiser's name for it, and the serialiser itself.

    An encrypted one is opened and closed by the cipher of an `EncryptedSerializer`.
    """

    name: str
    serde: SerializerProtocol

    def open(self, blob: bytes) -> Any:
        """The value in plain lists, dicts, texts and extensions.

        Raises:
            UnopenableValueError: it is encrypted and the key isn't there, or it is pickled, or
                bytes of which nothing is known.
        """
        content = self.decrypted(blob)
        match self._inner:
            case "msgpack":
                return ormsgpack.unpackb(
                    content, ext_hook=_open_extension, option=ormsgpack.OPT_NON_STR_KEYS
                )
            case "json":
                return json.loads(content)
        raise UnopenableValueError(
            f"a value is stored as {self.name!r}, which can't be looked into: only `msgpack` and "
            "`json` can, encrypted or not. Delete the thread, or have the value written anew."
        )

    def decrypted(self, blob: bytes) -> bytes:
        """The bytes as the serialiser wrote them before they were encrypted, if they were.

        Raises:
            UnopenableValueError: the key isn't there.
        """
        cipher_name = self.name.partition(ENCRYPTED)[2]
        if not cipher_name:
            return blob
        content: bytes = self._cipher().decrypt(cipher_name, blob)
        return content

    def go_through(self, blob: bytes) -> None:
        """Read a value to its end, and its objects' contents, without making anything of them.

        Raises:
            Exception: whatever the matter is with the bytes, or with the form.
        """
        match self._inner:
            case "msgpack":
                _go_through(self.decrypted(blob))
            case "json":
                json.loads(self.decrypted(blob))
            case "bytes" | "bytearray":
                self.decrypted(blob)
            case _ if not self.is_hollow:
                # Only the serialiser can tell, of pickled values and of those of others' forms.
                self.serde.loads_typed((self.name, blob))

    def close(self, value: Any) -> bytes:
        """What `open` opens to `value`."""
        blob = json.dumps(value).encode() if self._inner == "json" else packed(value)
        return self._cipher().encrypt(blob)[1] if ENCRYPTED in self.name else blob

    @property
    def is_hollow(self) -> bool:
        """Whether there is nothing in it to look into."""
        return self._inner in HOLLOW

    @property
    def _inner(self) -> str:
        return self.name.partition(ENCRYPTED)[0]

    def _cipher(self) -> Any:
        cipher = getattr(self.serde, "cipher", None)
        if cipher is None:
            raise UnopenableValueError(
                f"a value is encrypted ({self.name!r}) and this process has no key. Give the "
                "serialiser of the checkpointer that wrote it."
            )
        return cipher


def changed(value: Any, change: Callable[[Any], Any]) -> Any:
    """`value` with every item of a list, value of a dict and content of an extension changed.

    Where nothing is, the very same object comes back. The class of an extension is left alone.
    """
    match value:
        case Extension(code, [module, name, *arguments]) if code in _OBJECTS:
            new = [change(argument) for argument in arguments]
            same = all(map(_is, new, arguments))
            return value if same else Extension(code, [module, name, *new])
        case Extension(code, content):
            new = change(content)
            return value if new is content else Extension(code, new)
        case dict():
            items = {key: change(item) for key, item in value.items()}
            return value if all(map(_is, items.values(), value.values())) else items
        case list() | tuple():
            new = [change(item) for item in value]
            return value if all(map(_is, new, value)) else new
    return value


def _is(one: object, other: object) -> bool:
    return one is other


def _open_extension(code: int, content: bytes) -> Any:
    try:
        value = ormsgpack.unpackb(
            content, ext_hook=_open_extension, option=ormsgpack.OPT_NON_STR_KEYS
        )
    except ormsgpack.MsgpackDecodeError:
        # Another library's, in a form of its own.
        return Extension(code, content)
    # Bytes that happen to be readable may be something else all the same.
    if isinstance(value, bytes) or packed(value) != content:
        value = content
    return Extension(code, value)


def _go_through(content: bytes) -> None:
    ormsgpack.unpackb(content, ext_hook=_go_through_extension, option=ormsgpack.OPT_NON_STR_KEYS)


def _go_through_extension(code: int, content: bytes) -> None:
    # Those of other libraries are in forms of their own.
    if code in _PACKED:
        _go_through(content)


def _extension(value: Any) -> ormsgpack.Ext:
    if not isinstance(value, Extension):
        raise TypeError(f"{value!r} can't be stored")
    content = value.value
    return ormsgpack.Ext(value.code, content if isinstance(content, bytes) else packed(content))


def packed(value: Any) -> bytes:
    """An opened value, or a part of one, as the serialiser packs it."""
    return ormsgpack.packb(value, default=_extension, option=_OPTIONS)
