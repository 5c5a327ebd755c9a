"""Other MCP servers, as a file names them in the form that Claude Desktop and VS Code use.

The file is shared with other programs, so keys that mean nothing here are passed over; one that
looks like a slip of the pen is an error.
"""

import difflib
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ..errors import McpConfigError
from .entries import DEFAULT_TIMEOUT, HttpServer, ServerEntry, StdioServer

#: Names another file than `mcp.json` in the checkout; empty for none.
CONFIG = "TASK_AGENT_MCP_CONFIG"
DEFAULT_CONFIG = Path(__file__).resolve().parents[2] / "mcp.json"

#: A number above it was meant to be milliseconds.
TIMEOUT_MAX = 3600.0

SECTIONS = ("mcpServers", "servers")
KEYS = ("type", "command", "args", "env", "cwd", "url", "headers", "timeout", "disabled", "enabled")
#: Which look like a slip of the pen, and aren't.
OTHERS_KEYS = ("dev",)
#: Letters that are no slip any more.
WORD_MIN = 4
HTTP_TYPES = ("http", "streamable-http", "streamable_http", "streamableHttp")
HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
VARIABLE = re.compile(r"\$\{([^}]*)\}")


def configured_servers(environment: Mapping[str, str] = os.environ) -> list[ServerEntry]:
    """The servers of the file that the environment names, else of `mcp.json` in the checkout.

    Raises:
        McpConfigError: the file can't be read, or something in it is wrong.
    """
    named = environment.get(CONFIG)
    if named == "" or (named is None and not DEFAULT_CONFIG.exists()):
        return []
    return read_config(Path(named).expanduser() if named else DEFAULT_CONFIG, environment)


def read_config(path: Path, environment: Mapping[str, str] = os.environ) -> list[ServerEntry]:
    """The servers that a file names and that are not disabled, in its order.

    Args:
        path: The file.
        environment: Where the values of `${VAR}` come from.

    Raises:
        McpConfigError: the file can't be read, or something in it is wrong.
    """
    return _Reader(path, environment).read()


class _Reader:
    def __init__(self, path: Path, environment: Mapping[str, str]) -> None:
        self._path = path
        self._environment = environment

    def read(self) -> list[ServerEntry]:
        servers = self._section(self._load())
        found = [self._server(name, entry) for name, entry in servers.items()]
        return [server for server in found if server is not None]

    def _load(self) -> Any:
        try:
            text = self._path.read_text(encoding="utf-8-sig")
        except FileNotFoundError as error:
            raise McpConfigError(
                f"{CONFIG} names {str(self._path)!r}, but there is no such file."
            ) from error
        except (OSError, UnicodeDecodeError) as error:
            raise self._wrong(f"can't be read: {error}") from error
        try:
            return json.loads(text, object_pairs_hook=self._once)
        except json.JSONDecodeError as error:
            hint = " Comments are not allowed in it." if re.search(r"^\s*//", text, re.M) else ""
            raise self._wrong(
                f"is not JSON: {error.msg} in line {error.lineno}, column {error.colno}.{hint}"
            ) from error

    def _once(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        """JSON lets the last of two win; with two servers of one name, that loses one."""
        found: dict[str, Any] = {}
        for key, value in pairs:
            if key in found:
                raise self._wrong(f"has {key!r} twice in one place. Give one of them another name.")
            found[key] = value
        return found

    def _section(self, whole: Any) -> dict[str, Any]:
        if not isinstance(whole, dict):
            raise self._wrong('has to hold an object, such as {"mcpServers": {…}}.')
        present = [name for name in SECTIONS if name in whole]
        if len(present) != 1:
            what = "both 'mcpServers' and 'servers'" if present else "neither"
            end = "keep one of them" if present else "put the servers under 'mcpServers'"
            raise self._wrong(f"has {what}: {end}.")
        (section,) = present
        servers = whole[section]
        if not isinstance(servers, dict):
            raise self._wrong(f"{section!r} has to be an object of servers by their names.")
        return servers

    def _server(self, name: str, entry: Any) -> ServerEntry | None:
        if not name.strip():
            raise self._wrong("has a server without a name.")
        if not isinstance(entry, dict):
            raise self._wrong("has to be an object.", name)
        for key in entry:
            if key == "envFile":
                raise self._wrong("is not supported: put the values under 'env'.", name, key)
            if (meant := _slip(key)) is not None:
                raise self._wrong(f"is no key that is known; is it {meant!r}?", name, key)
        if self._is_off(name, entry):
            return None
        kind = self._kind(name, entry)
        timeout = self._timeout(name, entry)
        if kind == "http":
            return HttpServer(name, self._url(name, entry), self._headers(name, entry), timeout)
        return StdioServer(
            name,
            self._command(name, entry),
            self._arguments(name, entry),
            self._directory(name, entry),
            self._strings(name, entry, "env"),
            timeout,
        )

    def _is_off(self, name: str, entry: dict[str, Any]) -> bool:
        for key in ("disabled", "enabled"):
            if not isinstance(entry.get(key, True), bool):
                raise self._wrong(f"has to be true or false, not {entry[key]!r}.", name, key)
        return entry.get("disabled") is True or entry.get("enabled") is False

    def _kind(self, name: str, entry: dict[str, Any]) -> str:
        ways = [key for key in ("command", "url") if key in entry]
        if len(ways) != 1:
            had = "both" if ways else "neither"
            raise self._wrong(
                f"has {had} of 'command' and 'url'. Give the command that starts the server, or "
                "the address where it is.",
                name,
            )
        kind = "http" if ways == ["url"] else "stdio"
        given = entry.get("type", kind)
        if given == "sse":
            raise self._wrong(
                "'sse' is not supported: it was replaced by streamable HTTP. If the server has "
                "that as well, give its address and the type 'http'.",
                name,
                "type",
            )
        if given not in (HTTP_TYPES if kind == "http" else ("stdio",)):
            raise self._wrong(
                f"is {given!r}, but with {ways[0]!r} it has to be {kind!r}, or left out.",
                name,
                "type",
            )
        return kind

    def _url(self, name: str, entry: dict[str, Any]) -> str:
        url = self._text(name, "url", entry["url"])
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise self._wrong("has to begin with http:// or https:// and a host.", name, "url")
        return url

    def _command(self, name: str, entry: dict[str, Any]) -> str:
        command = self._text(name, "command", entry["command"])
        if not command.strip():
            raise self._wrong("is empty.", name, "command")
        return os.path.expanduser(command)

    def _arguments(self, name: str, entry: dict[str, Any]) -> tuple[str, ...]:
        given = entry.get("args", [])
        if not isinstance(given, list):
            raise self._wrong("has to be a list of texts.", name, "args")
        return tuple(self._text(name, f"args[{at}]", each) for at, each in enumerate(given))

    def _directory(self, name: str, entry: dict[str, Any]) -> Path:
        beside = self._path.resolve().parent
        if entry.get("cwd") is None:
            return beside
        return beside / os.path.expanduser(self._text(name, "cwd", entry["cwd"]))

    def _strings(self, name: str, entry: dict[str, Any], key: str) -> dict[str, str]:
        given = entry.get(key) or {}
        if not isinstance(given, dict):
            raise self._wrong("has to be an object of texts.", name, key)
        return {
            each: self._text(name, f"{key}.{each}", str(value) if _is_number(value) else value)
            for each, value in given.items()
            # VS Code's way to leave one out.
            if value is not None
        }

    def _headers(self, name: str, entry: dict[str, Any]) -> dict[str, str]:
        headers = self._strings(name, entry, "headers")
        for header, value in headers.items():
            if not HEADER_NAME.fullmatch(header):
                raise self._wrong("is no name that a header can have.", name, f"headers.{header}")
            # Here, since what is wrong later is told with the value.
            if not value.isascii() or not value.isprintable():
                raise self._wrong(
                    "holds a line break, or another character that a header can't have. A "
                    "variable that was read from a file may end with one.",
                    name,
                    f"headers.{header}",
                )
        return {header: value.strip() for header, value in headers.items()}

    def _timeout(self, name: str, entry: dict[str, Any]) -> float:
        given = entry.get("timeout", DEFAULT_TIMEOUT)
        if not _is_number(given) or not 0 < given <= TIMEOUT_MAX:
            raise self._wrong(
                f"is {given!r}, but it has to be a number of seconds up to {TIMEOUT_MAX:g}.",
                name,
                "timeout",
            )
        return float(given)

    def _text(self, name: str, key: str, value: Any) -> str:
        """A text with the values of its `${VAR}`; VS Code writes `${env:VAR}`."""
        # Never with the value: it may be a secret.
        if not isinstance(value, str) or "\x00" in value:
            raise self._wrong("has to be a text.", name, key)

        def filled(found: re.Match[str]) -> str:
            variable, has_default, default = found[1].removeprefix("env:").partition(":-")
            if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", variable):
                raise self._wrong(
                    f"holds {found[0]}, which nobody can fill in here. Only ${{NAME}}, the value "
                    "of an environment variable, is known.",
                    name,
                    key,
                )
            said = self._environment.get(variable)
            if has_default:
                return said or default
            if said is not None:
                return said
            raise self._wrong(
                f"wants the environment variable {variable}, which is not set. Set it, or disable "
                'the server with "disabled": true.',
                name,
                key,
            )

        return VARIABLE.sub(filled, value)

    def _wrong(
        self, what: str, server: str | None = None, key: str | None = None
    ) -> McpConfigError:
        where = [str(self._path)]
        if server is not None:
            where.append(f"server {server!r}")
        if key is not None:
            where.append(f"key {key!r}")
        return McpConfigError(f"{', '.join(where)}: {what}")


def _slip(key: str) -> str | None:
    """The key that was meant by one that is almost it."""
    if key in (*KEYS, *OTHERS_KEYS):
        return None
    close = difflib.get_close_matches(key, KEYS, 1, 0.65)
    # Another program's `disabledTools` or `headersHelper` has a whole word more.
    whole = close and close[0] in key.lower() and len(key) - len(close[0]) >= WORD_MIN
    return None if whole or not close else close[0]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
