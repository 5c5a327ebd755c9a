"""The tools on offer, in the order in which a model is told of them."""

from mcp.server.fastmcp.tools import Tool

from .handlers import Handlers
from .protocol import tool

#: Characters of a description; a model reads all of them at every step.
DESCRIPTION_MAX = 300


def catalogue(handlers: Handlers) -> list[Tool]:
    """Every tool, with what it says of itself."""
    return [
        tool(
            handlers.add_tasks,
            title="Add tasks",
            description="Add tasks, or subtasks of one. Dates and repetition in the user's words.",
        ),
        tool(
            handlers.find_tasks,
            title="Find tasks",
            description=(
                "Find tasks by any of these conditions together; all open ones without any, the "
                "first due first."
            ),
            reads_only=True,
        ),
        tool(
            handlers.get_tasks,
            title="Look at tasks",
            description="Look at certain tasks, with their open subtasks.",
            reads_only=True,
        ),
        tool(
            handlers.update_tasks,
            title="Change tasks",
            description=(
                "Change what tasks say, where they are or how they repeat; archive them. What is "
                "not given stays. For another due time call reschedule_tasks."
            ),
        ),
        tool(
            handlers.complete_tasks,
            title="Complete tasks",
            description=(
                "Mark tasks as done. One that repeats comes back as a new task for its next time. "
                "Says which subtasks are still open."
            ),
        ),
        tool(
            handlers.reopen_tasks,
            title="Reopen tasks",
            description="Take back that tasks were completed.",
        ),
        tool(
            handlers.reschedule_tasks,
            title="Reschedule tasks",
            description=(
                "Give tasks another due time. Of one that repeats, only this occurrence is moved."
            ),
        ),
        tool(
            handlers.delete_tasks,
            title="Delete tasks",
            description=(
                "Delete tasks and their subtasks. For what was done call complete_tasks, to put "
                "away update_tasks with archived."
            ),
            deletes=True,
        ),
        tool(
            handlers.undo_changes,
            title="Undo changes",
            description=(
                "Take back everything that the last turn of this conversation changed, or a "
                "certain turn. Undoing an undo does it again. If something was changed since, it "
                "says so and does nothing."
            ),
        ),
        tool(
            handlers.find_activity,
            title="Look at changes",
            description=(
                "What was changed, when and from which conversation, the latest first: all, of "
                "one task, or of one turn."
            ),
            reads_only=True,
        ),
        tool(
            handlers.find_lists,
            title="Find lists",
            description="The user's lists, with the numbers of their open tasks.",
            reads_only=True,
        ),
        tool(
            handlers.save_lists,
            title="Make or change lists",
            description="Make lists, rename them, or put them away with their tasks.",
            repeatable=True,
        ),
        tool(
            handlers.delete_lists,
            title="Delete lists",
            description="Delete lists. Their tasks go to the Inbox.",
            deletes=True,
        ),
        tool(
            handlers.get_overview,
            title="Overview",
            description="What is overdue, due today and next, and how many tasks there are.",
            reads_only=True,
        ),
    ]
