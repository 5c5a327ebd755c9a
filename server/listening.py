"""The socket that a server of ours listens on, and whether other machines can reach it."""

import errno
import socket
from ipaddress import ip_address

from .errors import LaunchError


def listen(host: str, port: int, *, remote: bool) -> socket.socket:
    """A socket that listens there.

    Args:
        host: an address of this machine, or a name for one.
        port: 0 for one that is free.
        remote: whether other machines may reach it.

    Raises:
        LaunchError: the port is taken, the host isn't one of this machine's, or other machines
            could reach it, which they must not.
    """
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (OSError, UnicodeError) as error:
        raise LaunchError(
            f"cannot listen on the host {host!r}: it is not an address or a name of this machine. "
            "Use 127.0.0.1."
        ) from error
    if not remote and not is_loopback(str(address[0])):
        raise LaunchError(
            f"{host} can be reached from other machines, and tokens and tasks would go there "
            "unencrypted. Use 127.0.0.1 and a proxy that speaks HTTPS, or say --allow-remote."
        )
    try:
        return socket.create_server(address, family=family)
    except OSError as error:
        raise LaunchError(_why(error, host, port)) from error


def is_loopback(address: str) -> bool:
    """Whether only this machine can reach an IP address."""
    return ip_address(address).is_loopback


def _why(error: OSError, host: str, port: int) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            return (
                f"port {port} on {host} is already in use. Stop the program that uses it, or "
                "choose another with --port."
            )
        case errno.EACCES:
            return (
                f"port {port} needs privileges that you don't have. Choose one of 1024 or above "
                "with --port."
            )
        case errno.EADDRNOTAVAIL:
            return (
                f"cannot listen on the host {host!r}: it is not an address of this machine. "
                "Use 127.0.0.1."
            )
        case _:
            return f"cannot listen on {host} port {port}: {error.strerror}."
