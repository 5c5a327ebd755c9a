"""One environment with the wheel, for all tests that need one.

Making it takes half a minute or more, and a package registry.
"""

import fcntl

import pytest

from tests.wheel.support import Environment, build, install


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Environment:
    """The environment, made once, whichever of the run's workers needs it first."""
    folder = tmp_path_factory.getbasetemp()
    if worker_id != "master":
        folder = folder.parent
    folder = folder / "wheel"
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        made = folder / "made"
        if not made.exists():
            (folder / "dist").mkdir(exist_ok=True)
            install(build(folder / "dist"), folder)
            made.touch()
    return Environment(folder / "environment")
