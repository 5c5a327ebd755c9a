"""What errors and findings advise, in the commands that there are where this code runs.

This repository has the command `task-agent`. Where the storage is shipped by itself, under a name
of its own, the command is `langgraph-transcript`, and there are fewer of its sub-commands.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Advice:
    """What a program's users can do about what goes wrong."""

    #: The command that looks after the tables.
    command: str
    #: How tables are made that are missing.
    make_tables: str
    #: Where the ids of threads are found.
    threads: str
    #: Where the ids of a conversation's messages are found.
    messages: str
    #: What redacting a message doesn't look into.
    elsewhere: str


_BACKUPS = "Backups and the database's write-ahead log hold what was, for as long as they are kept."
_SERVERS_LIST = (
    "the list of threads that LangGraph's server keeps in .langgraph_api, with each thread's last "
    "state and its runs' inputs"
)

APP = Advice(
    command="task-agent",
    make_tables="Run `task-agent migrate`.",
    threads="`task-agent conversations` lists those with messages.",
    messages="`task-agent messages THREAD --all --json` lists the ids of a conversation's rows.",
    elsewhere=(
        "Not looked into: tasks and their ledger (a task is deleted by its tool), exported "
        f"replays, logs, and {_SERVERS_LIST}. {_BACKUPS}"
    ),
)
WHEEL = Advice(
    command="langgraph-transcript",
    make_tables="Call the saver's `setup()` on it, as the app does when it starts.",
    threads="The tables `conversations` and `checkpoints` have those that there are.",
    messages="The column `id` of the table `messages` has the ids of rows.",
    elsewhere=(
        f"Not looked into: what the app keeps in other tables, logs, and {_SERVERS_LIST}. "
        f"{_BACKUPS}"
    ),
)

ADVICE = WHEEL if __package__ == "langgraph_transcript" else APP
COMMAND = ADVICE.command
