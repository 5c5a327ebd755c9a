"""The command `langgraph-transcript`, where the storage is shipped by itself."""

import sys


def main() -> None:
    """Run the command; the entry point of the wheel's script."""
    try:
        from .commands.app import run
    except ModuleNotFoundError as error:
        # An app that only stores its threads needs neither, nor what comes with them.
        if error.name not in ("typer", "rich"):
            raise
        sys.exit(
            f"Error: the command needs the package {error.name!r}, which is not installed. "
            "Run: pip install 'langgraph-transcript[cli]'"
        )
    run()


if __name__ == "__main__":
    main()
