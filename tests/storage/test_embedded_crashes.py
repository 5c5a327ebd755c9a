"""Kill anything at any time: the server comes back, nothing committed is lost, nothing is left."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from storage.embedded import hold, locks, spawn
from storage.embedded import keeper as keeper_module
from storage.embedded.account import server_account
from storage.embedded.home import Home, open_home
from tests.storage.embedded_support import (
    CHECKOUT,
    answers,
    await_stop,
    fresh_home,
    holding,
    is_alive,
    keeper,
    needs_linux,
    postmaster,
    processes,
    python,
    query,
    used_home,
    wait_until,
)


@pytest.fixture
def home() -> Iterator[Path]:
    with used_home() as path:
        yield path


@pytest.fixture
def new_home() -> Iterator[Path]:
    with fresh_home() as path:
        yield path


def commit_a_row(uri: str) -> None:
    with psycopg.connect(uri) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS value")


def test_the_next_holder_recovers_a_server_that_was_killed(home: Path) -> None:
    with holding(home) as (holder, uri):
        commit_a_row(uri)
        holder.kill()
        os.kill(postmaster(home), signal.SIGKILL)
    with hold(home) as uri:
        assert query(uri, "SELECT value FROM kept") == "42"


def test_a_holder_gets_its_server_back_when_that_is_killed(home: Path) -> None:
    with hold(home) as uri:
        commit_a_row(uri)
        server = postmaster(home)
        os.kill(server, signal.SIGKILL)
        wait_until(lambda: not is_alive(server), "the server is gone")
        wait_until(lambda: answers(uri), "a server answers again")
        assert query(uri, "SELECT value FROM kept") == "42"


def test_a_holder_gets_its_server_back_when_the_keeper_is_killed(home: Path) -> None:
    with hold(home) as uri:
        commit_a_row(uri)
        first_keeper, server = keeper(home), postmaster(home)
        os.kill(first_keeper, signal.SIGKILL)
        wait_until(lambda: not is_alive(server), "the server is gone")
        wait_until(lambda: answers(uri), "a server answers again")
        assert query(uri, "SELECT value FROM kept") == "42"
        assert keeper(home) != first_keeper


@needs_linux
def test_no_server_is_left_when_keeper_and_holders_are_killed(home: Path) -> None:
    with holding(home) as (holder, uri):
        commit_a_row(uri)
        server = postmaster(home)
        os.kill(holder.pid, signal.SIGSTOP)
        os.kill(keeper(home), signal.SIGKILL)
        holder.kill()
        await_stop(home)
        assert not is_alive(server)
    with hold(home) as uri:
        assert query(uri, "SELECT value FROM kept") == "42"


def test_a_server_that_lost_its_keeper_is_replaced_where_the_kernel_does_not_stop_it(
    home: Path,
) -> None:
    # As on macOS: nothing ties the server to its keeper.
    script = """
import sys
from storage.embedded import keeper, spawn
spawn._die_with = lambda parent: None
keeper.main(sys.argv[1], int(sys.argv[2]))
"""
    files = open_home(home)
    with locks.opened(files.holders_lock) as held, locks.opened(files.starting_lock) as starting:
        assert locks.take(held, shared=True)
        started = subprocess.run(
            [sys.executable, "-c", script, home, str(starting)],
            cwd=CHECKOUT,
            pass_fds=(starting,),
            stderr=subprocess.PIPE,
            check=True,
            timeout=120,
        )
        assert started.stderr.decode().strip() == keeper_module.READY
        # The keeper's command line is the script's.
        server = postmaster(home)
        (lonely,) = [pid for pid, command in processes(home).items() if "_die_with" in command]
        os.kill(lonely, signal.SIGKILL)
        wait_until(lambda: not locks.is_taken(files.keeper_lock), "the keeper is gone")
        assert is_alive(server)
    with hold(home) as uri:
        assert query(uri, "SELECT 1") == "1"
        assert postmaster(home) != server
        wait_until(lambda: not is_alive(server), "the lonely server is gone")


def test_an_interrupted_initdb_is_done_again(new_home: Path) -> None:
    files = Home(new_home)
    with python("from tests.storage import embedded_support as s; exec(s.HOLD)", new_home) as first:
        wait_until(lambda: (files.data_in_the_making / "base").exists(), "initdb is at work")
        first.kill()
        # The keeper first, so that it cannot tidy up.
        for pid in sorted(processes(new_home), key=lambda pid: pid != keeper(new_home)):
            os.kill(pid, signal.SIGKILL)
    await_stop(new_home)
    assert files.data_in_the_making.exists()
    assert not files.data.exists()
    with hold(new_home) as uri:
        assert query(uri, "SELECT current_database()") == "task_agent"
    assert not files.data_in_the_making.exists()


def test_an_interrupted_copy_of_a_data_directory_does_not_pass_for_one(new_home: Path) -> None:
    open_home(new_home)
    Home(new_home).data_in_the_making.mkdir()
    (Home(new_home).data_in_the_making / "PG_VERSION").write_text("18\n")
    with hold(new_home) as uri:
        assert query(uri, "SELECT 1") == "1"


def test_a_bystander_with_the_servers_process_id_is_left_alone(home: Path) -> None:
    with hold(home):
        lines = (Home(home).data / "postmaster.pid").read_text().splitlines()
    await_stop(home)
    # Of the server's own account: PostgreSQL itself knows that another's process isn't a server.
    bystander = spawn.start(["sleep", "300"], server_account(), stdout=subprocess.DEVNULL)
    try:
        lines[0] = str(bystander.pid)
        (Home(home).data / "postmaster.pid").write_text("\n".join(lines) + "\n")
        with hold(home) as uri:
            assert query(uri, "SELECT 1") == "1"
            assert postmaster(home) != bystander.pid
        await_stop(home)
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_a_bystander_with_the_process_id_in_the_sockets_lock_is_no_obstacle(home: Path) -> None:
    with hold(home):
        lock = next(path for path in (home / "run").iterdir() if path.name.endswith(".lock"))
        lines = lock.read_text().splitlines()
    await_stop(home)
    bystander = spawn.start(["sleep", "300"], server_account(), stdout=subprocess.DEVNULL)
    try:
        lock.write_text("\n".join([str(bystander.pid), *lines[1:]]) + "\n")
        os.chown(lock, server_account().uid, -1)
        with hold(home) as uri:
            assert query(uri, "SELECT 1") == "1"
        await_stop(home)
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


@pytest.mark.parametrize(
    "content",
    ["", "12", "no number\n", "1\n/elsewhere\n17", "\x00\xff", "1\n/d\n17\n99999\n/x\n*"],
)
def test_a_pid_file_that_is_empty_or_torn_is_no_obstacle(home: Path, content: str) -> None:
    with hold(home):
        pass
    await_stop(home)
    (Home(home).data / "postmaster.pid").write_bytes(content.encode("latin-1"))
    with hold(home) as uri:
        assert query(uri, "SELECT 1") == "1"


def test_what_a_killed_keeper_wrote_about_its_server_is_not_believed(home: Path) -> None:
    with hold(home):
        told = (home / "server.json").read_text()
    await_stop(home)
    (home / "server.json").write_text(told)
    with hold(home) as uri:
        assert query(uri, "SELECT 1") == "1"
