import asyncio
from typing import Any

import pytest

pytest.importorskip("ray", reason="ray is not installed: pip install 'digitvote[ray]'")

from service.cluster import ensemble
from service.cluster.ensemble import RemoteEnsemble
from service.cluster.report import Report
from service.settings import Settings


class Replica:
    """What is asked of it first fails at once, then as it is awaited, then is no report; the fourth is one."""

    def __init__(self) -> None:
        self.report = self
        self.asked = 0

    def remote(self) -> "asyncio.Future[Any]":
        """As a handle's."""
        self.asked += 1
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        if self.asked == 1:
            raise RuntimeError("the handle is closed")
        if self.asked == 2:
            answer.set_exception(ValueError("what nobody foresaw"))
        else:
            answer.set_result(None if self.asked == 3 else Report("vote#1", "ready", None, "cpu", {}, None))
        return answer


@pytest.mark.anyio
async def test_replicas_are_asked_again_whatever_came_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """No failure of a call, and no answer, ends the asking what is served."""
    monkeypatch.setattr(ensemble, "_PERIOD", 0)
    replica: Any = Replica()
    routes = RemoteEnsemble(Settings(), replica, replica)
    asking = asyncio.create_task(routes._load())
    loaded = asyncio.create_task(routes.loaded.wait())
    done, _ = await asyncio.wait({asking, loaded}, return_when=asyncio.FIRST_COMPLETED)
    assert (done, replica.asked >= 4) == ({loaded}, True)
    asking.cancel()
