"""`python -m migrations.check`: do the migrations make what the models say?

Part of `make check`. On an empty server of its own: migrates, lets Alembic look for differences,
goes down to base and up again, and compares tables, columns, indexes and keys.
"""

import io
import os
import sys

from alembic import command
from alembic.util import CommandError

from storage.temporary import temporary_server

from .run import alembic_config, migrate, verify_schema


def main() -> str | None:
    """What differs; none if nothing does."""
    with temporary_server() as uri:
        migrate(uri)
        os.environ["DATABASE_URL"] = uri
        config = alembic_config()
        config.stdout = io.StringIO()
        try:
            command.check(config)
        except CommandError as error:
            return f"{error}. Make a revision: alembic revision --autogenerate"
        command.downgrade(config, "base")
        migrate(uri)
        differences = verify_schema(uri).differences
    return "\n".join(f"migrations and models differ: {one}" for one in differences) or None


if __name__ == "__main__":
    sys.exit(main())
