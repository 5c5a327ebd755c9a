"""The tests' way to the server: what it forwards, and that nothing is left of it."""

import socket
import threading
from contextlib import suppress

import psycopg
import pytest

from tests.storage.relay import relayed


def test_a_relay_forwards_until_it_is_closed_and_when_it_is_open_again(database_url: str) -> None:
    with relayed(database_url) as relay:
        with psycopg.connect(relay.uri) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
            assert relay.count == 1
            relay.close()
            with pytest.raises(psycopg.OperationalError):
                connection.execute("SELECT 1")
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(relay.uri)
        relay.open()
        with psycopg.connect(relay.uri) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)


def is_connected(client: socket.socket) -> bool:
    try:
        client.getpeername()
    except OSError:
        return False
    return True


def test_a_relay_that_ends_leaves_no_connection_open_that_was_just_being_made() -> None:
    begun = threading.Event()
    clients = [socket.socket() for _ in range(60)]

    def connect() -> None:
        with suppress(ConnectionError):
            for client in clients:
                client.connect(("127.0.0.1", relay.port))
                begun.set()

    connecting = threading.Thread(target=connect)
    with socket.create_server(("127.0.0.1", 0), backlog=100) as server:
        with relayed(f"postgresql://nobody@127.0.0.1:{server.getsockname()[1]}/none") as relay:
            connecting.start()
            assert begun.wait(10)
        connecting.join(10)
    for client in clients:
        with client:
            if not is_connected(client):
                continue
            client.settimeout(10)
            # Its connection is over or reset; one that is left open times out.
            with suppress(ConnectionError):
                assert client.recv(1) == b""
