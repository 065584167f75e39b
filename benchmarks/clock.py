"""Seconds spent inside functions of the trainer, found from outside, so that the trainer holds no clocks."""

import functools
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import mock

import torch

Function = tuple[Any, str]  # whose it is (a module or a class), and its name


@contextmanager
def watching(stages: Mapping[str, Sequence[Function]]) -> Iterator[dict[str, float]]:
    """Count the seconds spent in each stage's functions until the block ends; a call inside another is the outer's."""
    seconds: dict[str, float] = defaultdict(float)
    inside = False

    def timed(stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def wrapper(*args: Any, **options: Any) -> Any:
            nonlocal inside
            if inside:
                return function(*args, **options)
            inside, started = True, now()
            try:
                return function(*args, **options)
            finally:
                seconds[stage] += now() - started
                inside = False

        return wrapper

    with ExitStack() as stack:
        for stage, functions in stages.items():
            for owner, name in functions:
                stack.enter_context(mock.patch.object(owner, name, timed(stage, getattr(owner, name))))
        yield seconds


def now() -> float:
    """Seconds on a clock, once the device has done what it was told."""
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        torch.cuda.synchronize()
    return time.perf_counter()
