"""The deployment that reads large pictures: work on uploads, apart from the models."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from imaging import warm_up
from service import logs
from service.cluster import replica
from service.cluster.replica import Numbers
from service.errors import ServiceError
from service.settings import Settings

T = TypeVar("T")


class Decode:
    """Runs the functions of the service's imaging, one at a time, in a thread of its own."""

    def __init__(self, settings: Settings) -> None:
        logs.configure(settings.log, settings.log_level)
        warm_up()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="decode")

    async def run(self, function: Callable[..., T], *arguments: Any) -> T | ServiceError:
        """What a function returns, or the error of the service's table that it raises."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, function, *arguments)
        except ServiceError as error:  # raised here it would stand in Ray's log with a traceback
            return error

    async def numbers(self) -> Numbers:
        """What this replica has counted."""
        return replica.numbers()
