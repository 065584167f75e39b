"""The application: routes, limits and error answers around one ensemble."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from service import access, metrics, tracing
from service.ensemble import Ensemble
from service.errors import BadRequest, BodyTooLarge, MethodNotAllowed, NotFound, ServiceError, describe, problem
from service.feedback import Feedback
from service.guard import Limit, Limits, RequestLog
from service.lane import Lane
from service.live import Reader
from service.oip import openapi
from service.oip import routes as oip
from service.problem_pages import ProblemPages
from service.routes import batch, feedback, form, pages, predict, probes, read, report, status, telemetry
from service.settings import Settings

log = structlog.get_logger("service")

_DESCRIPTION = """\
Send a picture of a handwritten digit; three models vote on what it is.

    curl -F file=@digit.png http://127.0.0.1:8000/predict
    curl -F file=@number.png http://127.0.0.1:8000/read
    curl -F file=@one.png -F file=@two.png http://127.0.0.1:8000/predict/batch

Every error is RFC 9457 `application/problem+json` with a `detail` that says what was wrong and what to do. Below `/v2`
the service speaks the Open Inference Protocol, as Triton does; errors there are `{"error": "…"}`.
"""


def create_app(settings: Settings, ensemble: Ensemble | None = None) -> FastAPI:
    """The ASGI application of these settings, whose ensemble is started once its lifespan has begun.

    Args:
        settings: the service's.
        ensemble: what is asked; without one it loads the models into this process.
    """
    ensemble = ensemble or Ensemble(settings)
    memory = Feedback(settings, settings.feedback) if settings.feedback else None
    traces = tracing.provider(settings)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        tracing.start(traces, settings)
        ensemble.start()
        if memory is not None:
            memory.start()
        if settings.workers > 1:
            await _settled(ensemble)
            if app.state.replaces:
                _end_if_failed(ensemble)
        yield
        await ensemble.stop()
        if memory is not None:
            await memory.stop()
        await tracing.stop(traces)

    app = FastAPI(
        title="digitvote",
        summary="Three models vote on your handwritten digit",
        description=_DESCRIPTION,
        version=version("digitvote"),
        license_info={"name": "MIT", "identifier": "MIT"},
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        telemetry=tracing.telemetry(traces),
    )
    app.state.ensemble = ensemble
    app.state.replaces = False  # whether a worker ends for this one's sake
    app.state.lane = Lane(ensemble)
    app.state.feedback = memory
    app.state.live = Reader(settings.feedback, settings.feedback_minutes) if settings.feedback else None
    # As routes of the application itself: one of a router within it is found by twice as many steps, and built anew by
    # the first request, with filters of warnings that are the whole process's while another thread loads the models.
    for part in (predict, batch, read, feedback, status, probes, telemetry, form, report, oip):
        app.router.routes.extend(part.router.routes)
        metrics.know(part.router)
    pages.mount(app)
    many = Limit(settings.batch_bytes, settings.batches)
    app.add_middleware(
        Limits,
        limit=_limit(settings),
        own={batch.PATH: many, feedback.PATH: Limit(feedback.MAX_BYTES, settings.queue)},
        held_bytes=settings.held_bytes,
        deadline_ms=settings.deadline_ms,
    )
    access.guard(app, settings)
    app.add_middleware(ProblemPages)
    app.add_middleware(RequestLog)  # added last, so outermost: refusals of the limits are logged too
    plain = app.openapi
    app.openapi = lambda: openapi.describe(access.described(describe(plain()), settings))  # type: ignore[method-assign]
    app.exception_handler(ServiceError)(_service_error)
    app.exception_handler(HTTPException)(_http_exception)
    app.exception_handler(RequestValidationError)(_wrong_parameter)
    app.exception_handler(ClientDisconnect)(_client_gone)
    return app


def _limit(settings: Settings) -> Limit:
    return Limit(settings.max_bytes, settings.queue, settings.wait_ms / 1e3, settings.max_batch)


async def _settled(ensemble: Ensemble) -> None:
    """Wait with taking connections until the models are loaded: other workers take them meanwhile."""
    while not (ensemble.loaded.is_set() or ensemble.draining):  # noqa: ASYNC110 - a signal handler sets it
        await asyncio.sleep(0.02)


def _end_if_failed(ensemble: Ensemble) -> None:
    """End the process before it takes a connection, if it would answer worse than the one that it replaces."""
    state, reason = ensemble.health()
    if state == "failed":
        log.error("worker not replaced", reason=reason)
        os._exit(1)


async def _service_error(request: Request, error: ServiceError) -> Response:
    request.state.log["error"] = error.name
    return problem(error, request.state.request_id)


async def _http_exception(request: Request, error: HTTPException) -> Response:
    known: dict[int, type[ServiceError]] = {404: NotFound, 405: MethodNotAllowed, 413: BodyTooLarge}
    row = known.get(error.status_code, BadRequest if error.status_code < 500 else ServiceError)
    request.state.log["error"] = row.name
    return problem(row(), request.state.request_id, error.headers)


async def _wrong_parameter(request: Request, error: RequestValidationError) -> Response:
    wrong = "; ".join(f"{part['loc'][-1]}={part['input']!r}: {part['msg']}" for part in error.errors())
    return await _service_error(request, BadRequest(f"{wrong}. /docs shows what each parameter takes."))


async def _client_gone(_request: Request, _error: Exception) -> Response:
    return Response(status_code=499)  # nobody reads it; 499 is what nginx logs for this
