"""How the protocol's routes stand in the OpenAPI document."""

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from service.errors import BadRequest, BodyTooLarge, Busy, ServiceError, SlowBody, TooLate, UnknownEncoding, responses
from service.oip import schemas
from service.oip.body import HEADER

Endpoint = Callable[[Request], Awaitable[Response]]

BODY_ERRORS: tuple[type[ServiceError], ...] = (BadRequest, SlowBody, BodyTooLarge, UnknownEncoding, Busy, TooLate)
LENGTH = {
    "name": HEADER,
    "in": "header",
    "description": "bytes of the JSON, where tensors follow it",
    "schema": {"type": "integer", "minimum": 0},
}
_RAW = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
_REFS = "#/components/schemas/{model}"
_MODEL = {"name": "model", "in": "path", "required": True, "schema": {"type": "string"}, "example": "lenet5"}
_VERSION = {"name": "version", "in": "path", "required": True, "schema": {"type": "string"}, "example": "1"}


# What no route's own declaration names.
_SENT = (schemas.InferRequest, schemas.IndexRequest, schemas.LoadRequest, schemas.UnloadRequest, schemas.Failure)


def describe(document: dict[str, Any]) -> dict[str, Any]:
    """Add the schemas of what is sent to an OpenAPI document, and have all errors below /v2 in the protocol's form."""
    for kind in _SENT:
        schema = kind.model_json_schema(ref_template=_REFS)
        document["components"]["schemas"].update({**schema.pop("$defs", {}), kind.__name__: schema})
    failure = {"application/json": {"schema": {"$ref": _REFS.format(model=schemas.Failure.__name__)}}}
    for path, operations in document["paths"].items():
        for operation in operations.values() if path.startswith("/v2") else ():
            for status, entry in operation["responses"].items():
                if int(status) >= HTTPStatus.BAD_REQUEST:
                    entry["content"] = failure
    return document


def answers(model: Any, *errors: type[ServiceError], raw: bool = False) -> dict[str, Any]:
    """The answers of a route: a model's JSON, or what follows it where they may be `raw`, and errors."""
    good = {"description": "The answer", "model": model, "content": {**_RAW} if raw else {}}
    return {"response_model": None, "responses": {200: good, **responses(*errors, ServiceError)}}


def body(kind: type[BaseModel], *, required: bool = False, raw: bool = False) -> dict[str, Any]:
    """What a route is sent: JSON, or what follows it where it may be `raw`."""
    content: dict[str, Any] = {"application/json": {"schema": {"$ref": _REFS.format(model=kind.__name__)}}}
    return {"requestBody": {"required": required, "content": {**content, **(_RAW if raw else {})}}}


def control(kind: type[BaseModel]) -> dict[str, Any]:
    """What loads and unloads a model is sent."""
    return {**body(kind), "parameters": [_MODEL]}


def of_a_model(
    router: APIRouter, method: str, end: str, sent: dict[str, Any] | None = None, **told: Any
) -> Callable[[Endpoint], Endpoint]:
    """Have an endpoint serve a model, and one version of it; `sent` is its body, which may follow a JSON."""

    def add(endpoint: Endpoint) -> Endpoint:
        for path, places in (("", [_MODEL]), ("/versions/{version}", [_MODEL, _VERSION])):
            router.add_api_route(
                f"/v2/models/{{model}}{path}{end}",
                endpoint,
                methods=[method],
                openapi_extra={**(sent or {}), "parameters": [*places, *([LENGTH] if sent else [])]},
                **told,
            )
        return endpoint

    return add
