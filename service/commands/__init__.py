"""The commands of `python -m service` beside serving; none imports torch."""
