"""What a terminal, a pipe or a log is given: lines as they are, and tables without rules."""

from rich.console import Console
from rich.table import Table


def say(console: Console, message: str) -> None:
    """One line as it is: not wrapped, not coloured, no markup."""
    console.print(message, soft_wrap=True, highlight=False, markup=False)


def table(*columns: str) -> Table:
    """A table of these columns that is still without rows."""
    return Table(*columns, box=None, pad_edge=False)
