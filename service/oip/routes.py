"""The protocol's routes: GET /v2 and all below it."""

import asyncio
from collections.abc import Awaitable, Callable
from importlib.metadata import version
from typing import Any, TypeVar

import orjson
from fastapi import APIRouter
from pydantic import BaseModel
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response

from service.dependencies import get_ensemble, get_lane
from service.ensemble import Ensemble
from service.errors import BadRequest, NoQuorum, NotFound, NotReady
from service.metrics import inferring
from service.oip import models, schemas
from service.oip.answer import write
from service.oip.body import HEADER, read, unpack
from service.oip.inference import Inference, count, of_model, of_vote
from service.oip.openapi import BODY_ERRORS, answers, body, control, of_a_model
from service.oip.request import Asked, Reader
from service.oip.stats import statistics
from service.rollout import RolloutError
from service.routes.direct import Direct
from service.upload import whole

T = TypeVar("T", bound=BaseModel)

_EXTENSIONS = ("binary_tensor_data", "classification", "model_configuration", "model_repository", "statistics")
_VALUES = 1000  # in the JSON of what is no inference
_LARGE = 256 * 2**10  # bytes of a body that takes long enough to read that others should not wait for it

router = APIRouter(tags=["open inference protocol"], route_class=Direct)


def _json(content: object) -> Response:
    return Response(orjson.dumps(content), media_type="application/json")


def _model(request: Request) -> models.Listed:
    return models.find(get_ensemble(request), request.path_params["model"], request.path_params.get("version"))


@router.get("/v2", summary="What the server is", **answers(schemas.ServerMetadata))
async def server(_request: Request) -> Response:
    """Its name, its version and the extensions of the protocol that it knows."""
    return _json({"name": models.ENSEMBLE, "version": version("digitvote"), "extensions": _EXTENSIONS})


@router.get("/v2/health/live", summary="Whether this process can go on", **answers(schemas.Live, NotReady))
async def live(request: Request) -> Response:
    """200 while nothing has failed that only a new process would mend: missing models are not that."""
    ensemble = get_ensemble(request)
    _check(ensemble, good=ensemble.alive)
    return _json({"live": True})


@router.get("/v2/health/ready", summary="Whether requests should be sent here", **answers(schemas.Ready, NotReady))
async def ready(request: Request) -> Response:
    """200 where enough models vote, 503 with the reason where not."""
    ensemble = get_ensemble(request)
    _check(ensemble, good=ensemble.able)
    return _json({"ready": True})


def _check(ensemble: Ensemble, *, good: bool) -> None:
    if not good:
        state, reason = ensemble.health()
        raise NotReady(f"The service is {state}: {reason}. /health says more.")


@router.get("/v2/models/stats", summary="What all models did", **answers(schemas.Statistics))
async def all_stats(request: Request) -> Response:
    """The statistics of each model that answers."""
    answering = [model for model in models.listed(get_ensemble(request)) if model.reason is None]
    return _json(await asyncio.to_thread(statistics, answering))


@of_a_model(router, "GET", "", summary="A model's tensors", **answers(schemas.ModelMetadata, NotFound, NotReady))
async def metadata(request: Request) -> Response:
    """Its versions, what it takes and what it gives."""
    return _json(models.metadata(_model(request), get_ensemble(request)))


@of_a_model(
    router, "GET", "/ready", summary="Whether a model answers", **answers(schemas.ModelReady, NotFound, NotReady)
)
async def model_ready(request: Request) -> Response:
    """200 where it does, 503 with the reason where not."""
    return _json({"name": _model(request).name, "ready": True})


@of_a_model(
    router, "GET", "/config", summary="A model's configuration", **answers(schemas.ModelConfig, NotFound, NotReady)
)
async def config(request: Request) -> Response:
    """Triton's ModelConfig of it, as JSON."""
    return _json(models.config(_model(request), get_ensemble(request)))


@of_a_model(router, "GET", "/stats", summary="What a model did", **answers(schemas.Statistics, NotFound, NotReady))
async def stats(request: Request) -> Response:
    """How many pictures and batches it had, and where the time went."""
    return _json(await asyncio.to_thread(statistics, [_model(request)]))


@of_a_model(
    router,
    "POST",
    "/infer",
    body(schemas.InferRequest, required=True, raw=True),
    summary="Ask a model, or all",
    **answers(schemas.InferResponse, *BODY_ERRORS, NotFound, NotReady, NoQuorum, raw=True),
)
async def infer(request: Request) -> Response:
    """Send pictures as a tensor [N, 1, 28, 28] of pixels from 0 to 1, white on black, and get each model's logits.

    `digitvote` is the vote of all; it also takes `IMAGE`, picture files of any kind and size, as POST /predict does.
    Many requests share a batch. Tensors may follow the JSON (binary tensor data), bodies may be gzip or deflate, both
    ways.
    """
    ensemble = get_ensemble(request)
    ensemble.check()
    model = _model(request)
    with inferring(model.name):
        asked = await _asked(request, ensemble, model)
        inference = Inference(ensemble, get_lane(request), model, request.path_params.get("version"))
        sent = asked.sent
        rows = await (inference.of_files(sent) if isinstance(sent, list) else inference.of_pictures(sent))
        if model.whole:
            versions, tensors = [str(model.version)], of_vote(rows, ensemble.settings.models)
            count(rows)
        else:
            versions, tensors = of_model(model, rows)
    request.state.log.update(model=model.name, pictures=len(rows))
    facts: dict[str, Any] = {} if asked.id is None else {"id": asked.id}
    facts |= {"model_name": model.name, "model_version": versions[-1]}
    if len(set(versions)) > 1:  # one was taken up meanwhile, or has a share of the batches
        facts["parameters"] = {"model_versions": ",".join(versions)}
    return write(facts, asked.outputs, tensors, request.headers.get("accept-encoding", ""))


async def _asked(request: Request, ensemble: Ensemble, model: models.Listed) -> Asked:
    settings, headers = ensemble.settings, request.headers
    outputs = models.outputs(model, len(settings.models))
    reader = Reader(models.inputs(model), outputs, settings.max_bytes, settings.max_batch)
    sent = await whole(request, settings.body_seconds)
    told = sent, headers.get("content-encoding", ""), headers.get(HEADER)
    if len(sent) > _LARGE or told[1]:
        return await asyncio.to_thread(reader.read, *told)
    return reader.read(*told)


@router.post(
    "/v2/repository/index",
    summary="Which models there are",
    openapi_extra=body(schemas.IndexRequest),
    **answers(list[schemas.IndexEntry], *BODY_ERRORS, NotReady),
)
async def index(request: Request) -> Response:
    """Each model's version and state, and why it does not answer if it does not."""
    asked = await _read(request, schemas.IndexRequest)
    return _json(models.index(get_ensemble(request), ready=asked.ready))


@router.post(
    "/v2/repository/models/{model}/load",
    summary="Look for a model's versions now",
    openapi_extra=control(schemas.LoadRequest),
    **answers(schemas.Nothing, *BODY_ERRORS, NotFound, NotReady),
)
async def load(request: Request) -> Response:
    """Have the version vote that is wanted of what is published, if it passes; else 400 says why it does not."""
    asked = await _read(request, schemas.LoadRequest)
    if asked.parameters:
        raise BadRequest(f"{', '.join(asked.parameters)}: what is published is loaded as it is. Send no parameters.")
    return await _control(request, get_ensemble(request).rollout.load)


@router.post(
    "/v2/repository/models/{model}/unload",
    summary="Take a model out of the vote",
    openapi_extra=control(schemas.UnloadRequest),
    **answers(schemas.Nothing, *BODY_ERRORS, NotFound, NotReady),
)
async def unload(request: Request) -> Response:
    """The others vote without it until it is loaded again; 400 where too few would be left."""
    await _read(request, schemas.UnloadRequest)
    return await _control(request, get_ensemble(request).rollout.unload)


async def _read(request: Request, kind: type[T]) -> T:
    """The JSON that a request may bring."""
    settings = get_ensemble(request).settings
    sent = await whole(request, settings.body_seconds)
    text = unpack(sent, request.headers.get("content-encoding", ""), settings.max_bytes)
    return read(kind, text or b"{}", _VALUES)


async def _control(request: Request, act: Callable[[str], Awaitable[None]]) -> Response:
    _from_no_other_site(request.headers)
    ensemble, name = get_ensemble(request), request.path_params["model"]
    if not ensemble.loaded.is_set():
        raise NotReady
    names = list(ensemble.rollout.places)
    if name not in names:
        raise NotFound(f"There is no model {name[:64]!r} to load or unload. Those that there are: {', '.join(names)}.")
    try:
        await asyncio.shield(act(name))  # to its end, also where nobody waits for it any more
    except RolloutError as error:
        raise BadRequest(f"{error}.") from error
    return _json({})


def _from_no_other_site(headers: Headers) -> None:
    """Refuse what a page of another site has a browser send, which may reach where that site itself does not."""
    origin = headers.get("origin")
    if origin is None or headers.get("sec-fetch-site") == "same-origin":
        return
    if origin.partition("://")[2] != headers.get("host"):
        raise BadRequest(f"Pages of other sites, as {origin[:100]!r}, load and unload no models. Send no Origin.")
