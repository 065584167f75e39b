"""Structured logs: JSON lines, or coloured ones on a terminal; never a picture or a key in them."""

import logging
import sys
from typing import Literal

import structlog


def configure(form: Literal["auto", "json", "console"], level: str) -> None:
    """Send structlog's lines and those of the standard library (uvicorn's errors) to stderr in one form."""
    console = form == "console" or (form == "auto" and sys.stderr.isatty())
    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    renderer: list[structlog.typing.Processor] = (
        # Its own traceback would show the values of variables, among them pictures and headers.
        [_visible, structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
        if console
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    )
    handler = logging.StreamHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderer],
        )
    )
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    # One line a request is logged by the service itself; of uvicorn only what is wrong.
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    # What is wrong with a form stands in its answer; anyone could fill the log with it.
    logging.getLogger("python_multipart").setLevel(logging.ERROR)
    # At its debug level it writes out what a picture's metadata hold.
    logging.getLogger("PIL").setLevel(logging.INFO)
    logging.captureWarnings(True)


def _visible(_logger: object, _method: str, line: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """A line whose texts have no control characters: a path that a sender chose would drive the terminal by them."""
    return {name: _written(value) if isinstance(value, str) else value for name, value in line.items()}


def _written(text: str) -> str:
    return "".join(each if each.isprintable() or each in "\n\t" else repr(each)[1:-1] for each in text)
