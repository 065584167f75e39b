"""What a run shows: a bar with the time left, a line an epoch, a table at the end; plain lines where no one watches."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from trainer.console import say, table

if TYPE_CHECKING:  # the command line imports this at once, and torch only when it trains
    from trainer.loop import Epoch
    from trainer.measure import Measured, Vote
    from trainer.robustness import Robustness


class Watch:
    """One model's training, as it is shown."""

    def __init__(self, console: Console, bar: Bar, task: TaskID, name: str) -> None:
        self._console, self._bar, self._task, self._name = console, bar, task, name
        self.epochs = 0

    def step(self) -> None:
        """A batch was trained."""
        self._bar.advance(self._task)

    def epoch(self, epoch: "Epoch", epochs: int) -> None:
        """An epoch ended."""
        self.epochs += 1
        say(
            self._console,
            f"{self._name:6} epoch {epoch.epoch:{len(str(epochs))}}/{epochs}  "
            f"training loss {epoch.loss:.4f} accuracy {epoch.accuracy:.2%}  "
            f"validation loss {epoch.validation_loss:.4f} accuracy {epoch.validation_accuracy:.2%}",
        )


class Progress:
    """A run, as it is shown."""

    def __init__(self, console: Console) -> None:
        self.console = console

    @contextmanager
    def model(self, name: str, steps: int) -> Iterator[Watch]:
        """Show one model's training of so many batches."""
        columns = (
            TextColumn("{task.description:6}"), BarColumn(), MofNCompleteColumn(),
            TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn(),
        )  # fmt: skip
        with Bar(*columns, console=self.console, transient=True, disable=not self.console.is_terminal) as bar:
            watch = Watch(self.console, bar, bar.add_task(name, total=steps), name)
            yield watch
        if not watch.epochs:
            say(self.console, f"{name:6} its checkpoint is complete: not trained again")

    def stopped(self, error: Exception) -> None:
        """Show why the training of a model was stopped."""
        say(self.console, f"stopped: {error}")

    def figures(self, measured: "list[Measured]", vote: "Vote") -> None:
        """Show what came out, each model and the vote by each rule."""
        rows = table("", "validation", "test", "test loss", "calibration error", "seconds")
        for one in measured:
            held, test = one.metrics["validation"], one.metrics["test"]
            rows.add_row(
                one.name, f"{held.accuracy:.2%}", f"{test.accuracy:.2%}", f"{test.loss:.4f}",
                f"{test.calibration_error:.2%}", f"{one.trained.seconds:.0f}",
            )  # fmt: skip
        for rule, test in vote.rules["test"].items() if len(measured) > 1 else ():
            held = vote.rules["validation"][rule]
            rows.add_row(
                f"vote: {rule}", f"{held.accuracy:.2%}", f"{test.accuracy:.2%}", f"{test.loss:.4f}",
                f"{test.calibration_error:.2%}", "",
            )  # fmt: skip
        self.console.print(rows)
        for one in measured:
            for source, found in one.further.items():
                say(self.console, f"{one.name:6} on the test part of {source}: {found.accuracy:.2%}")

    def robustness(self, robust: "Robustness") -> None:
        """Show the mean accuracy over corruptions."""
        names = [*robust.voters, None] if len(robust.voters) > 1 else [*robust.voters]
        for told, mean in {"all": robust.mean, "unseen": robust.unseen}.items():
            means = (f"{name or 'vote'} {mean(name):.2%}" for name in names)
            say(self.console, f"mean over {told} corruptions: {', '.join(means)}")
