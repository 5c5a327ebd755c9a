"""The names that tools of several servers have for the model."""

import hashlib
import re

#: What model APIs take for a tool's name.
NAME_MAX = 64
NOT_IN_A_NAME = re.compile(r"[^a-zA-Z0-9_-]")


class Names:
    """Gives each tool a name of its own: the tool's own, or the server's before it if that's taken.

    A name that was given stays that tool's as long as this object lives, even if its server goes:
    a call that was made under it, and may be waiting for approval, must not come to another tool.
    """

    def __init__(self) -> None:
        self._names: dict[tuple[str, str], str] = {}
        self._taken: set[str] = set()

    def reserve(self, name: str) -> None:
        """See that no tool is given this name from now on."""
        self._taken.add(name)

    def of(self, server: str, tool: str) -> str:
        """The name of a server's tool, the same at each call."""
        if (name := self._names.get((server, tool))) is None:
            own = _fit(tool)
            name = own if own not in self._taken else self._prefixed(server, tool)
            self._taken.add(name)
            self._names[server, tool] = name
        return name

    def _prefixed(self, server: str, tool: str) -> str:
        name = _fit(f"{server}_{tool}")
        return name if name not in self._taken else _with_digest(name, server, tool)


def _fit(name: str) -> str:
    """The name, changed as little as possible to be one that every model API takes."""
    fitting = NOT_IN_A_NAME.sub("_", name)
    return fitting if len(fitting) <= NAME_MAX else _with_digest(fitting, name)


def _with_digest(name: str, *of: str) -> str:
    digest = hashlib.sha256("\0".join(of).encode(errors="replace")).hexdigest()[:8]
    return f"{name[: NAME_MAX - 9]}_{digest}"
