"""One dev server for all tests of a worker that only talk to one."""

from collections.abc import Iterator

import pytest

from tests.cli.support import Dev, dev_server
from tests.cloning import cloned


@pytest.fixture(autouse=True)
def _no_env_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep a developer's `.env` out of commands that run in this process."""
    monkeypatch.setenv("TASK_AGENT_ENV_FILE", "")


@pytest.fixture(scope="session")
def dev_database_url(server_uri: str, template: str) -> Iterator[str]:
    """The database of the server that `dev` is."""
    with cloned(server_uri, template) as uri:
        yield uri


@pytest.fixture(scope="session")
def dev(dev_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dev]:
    """A server to talk to, which tests don't stop."""
    with dev_server(tmp_path_factory.mktemp("dev"), DATABASE_URL=dev_database_url) as running:
        yield running
