"""How far a long command has come, in a terminal that somebody watches."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console
from rich.progress import Progress as Bar
from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn

from ..verifying import Progress
from .terminal import console


@dataclass
class Shown:
    """Where a command prints, and how far it has come."""

    #: Standard output, or what a terminal shows above the progress.
    out: Console
    #: Shows how far the work has come.
    show: Callable[[Progress], None]
    last: Progress = field(default_factory=Progress)

    def tell(self, progress: Progress) -> None:
        """Take note of how far the work has come."""
        self.last = progress
        self.show(progress)


@contextmanager
def shown_progress() -> Iterator[Shown]:
    """Show on standard error, if that is a terminal, how much has been looked at and how fast."""
    out, err = console(), console(error=True)
    if not err.is_terminal:
        yield Shown(out, lambda progress: None)
        return
    with Bar(
        SpinnerColumn(),
        TextColumn("{task.fields[words]}"),
        TimeElapsedColumn(),
        console=err,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    ) as bar:
        task = bar.add_task("", total=None, words="")

        def show(progress: Progress) -> None:
            words = (
                f"{progress.threads:,} threads, {progress.messages:,} messages, "
                f"{progress.values:,} values"
            )
            if elapsed := bar.tasks[0].elapsed:
                words += f", {(progress.messages + progress.values) / elapsed:,.0f} a second"
            bar.update(task, words=words)

        # What is printed on the same terminal has to go above what moves there.
        yield Shown(err if out.is_terminal else out, show)
