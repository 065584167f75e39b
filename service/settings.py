"""Every setting of the service, read from the environment as DIGITVOTE_<NAME>."""

import difflib
import os
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    BeforeValidator,
    Field,
    IPvAnyNetwork,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from registry.address import Address, Location, locate
from registry.manifest import GATE, ModelName
from registry.rules import Rule
from service.acceptance import Reject
from service.keys import Key, read_keys
from service.pins import LATEST, Pin, read_pins

PREFIX = "DIGITVOTE_"
_OTHERS = ("DIGITVOTE_CACHE", "DIGITVOTE_COMMIT", "DIGITVOTE_KEY")  # the trainer's, and the client's
_SECRET = ("api_keys",)  # whose values are shown nowhere

Host = Annotated[
    str, StringConstraints(to_lower=True, pattern=r"^(\*|(\*\.)?[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*|\[[0-9A-Fa-f:.]+\])$")
]
Origin = Annotated[str, StringConstraints(pattern=r"^(\*|https?://[^/\s*]+)$")]


def cores() -> int:
    """Cores that this process may use, which a container or `taskset` may have limited."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class SettingsError(Exception):
    """A setting has a value that it cannot have; the message names it and what is allowed."""


class Settings(BaseSettings):
    """The service's settings; `python -m service --help` prints them with their defaults."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True, frozen=True, hide_input_in_errors=True)

    artifacts: Annotated[Location, NoDecode, BeforeValidator(locate)] = Field(
        Path("artifacts"),
        description="folder of published models, or their address: s3://, gs:// or az://BUCKET/PREFIX",
    )
    artifacts_cache: Path = Field(
        Path("~/.cache/digitvote/artifacts"), description="folder for copies of versions that lie at an address"
    )
    models: Annotated[tuple[ModelName, ...], NoDecode] = Field(
        ("mlp", "cnn", "lenet5"), description="models that vote, separated by commas"
    )
    versions: str = Field(
        LATEST, description="versions that vote: latest, MODEL=2, MODEL=3:10% for a share of the batches; with commas"
    )
    poll_seconds: float = Field(5, ge=0, le=3600, description="seconds until artifacts are looked at again; 0: never")
    host: str = Field("127.0.0.1", description="address to listen on; 0.0.0.0 for every interface")
    port: int = Field(8000, ge=0, le=65535, description="port to listen on; 0 takes a free one")
    workers: int = Field(1, ge=1, le=64, description="processes that serve, on one port")
    engine: Literal["torch", "onnx"] = Field("torch", description="what runs the models: torch or onnx")
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="where the models run; auto takes CUDA if there")
    threads: int = Field(0, ge=0, le=256, description="threads of a batch on the CPU; 0: half of a worker's cores")
    decoders: int = Field(2, ge=1, le=64, description="threads that decode pictures, shared among the workers")
    max_batch: int = Field(64, ge=1, le=4096, description="pictures in one batch at most")
    queue: int = Field(256, ge=1, le=100_000, description="requests in flight in a worker at most; others get 503")
    wait_ms: int = Field(60, ge=0, description="milliseconds to be waited, beyond which, past one batch, comes 503")
    max_bytes: int = Field(10 * 2**20, ge=1024, le=2**30, description="bytes of a request's body at most")
    batches: int = Field(8, ge=1, le=1000, description="requests of many pictures in flight at most; beyond: 503")
    batch_bytes: int = Field(64 * 2**20, ge=1024, le=2**30, description="bytes of many pictures' body, also unpacked")
    held_bytes: int = Field(512 * 2**20, ge=1024, description="bytes of all bodies in a worker at most; beyond: 503")
    body_seconds: float = Field(30, gt=0, le=3600, description="seconds that a request's body may take to come")
    head_seconds: float = Field(10, gt=0, le=3600, description="seconds that a request's header may take to come")
    keep_alive: int = Field(75, ge=1, le=3600, description="seconds that a connection stays open without a request")
    deadline_ms: int = Field(0, ge=0, description="milliseconds until a request is answered, else it gets 504; 0: any")
    max_pixels: int = Field(40_000_000, ge=784, le=10**9, description="pixels of a picture at most")
    api_keys: Annotated[tuple[Key, ...], NoDecode] = Field(
        (), description="keys of which uploads need one, as name:key, separated by commas; without any, none is needed"
    )
    rate: float = Field(0, ge=0, le=1e6, description="uploads a second of a key, or without keys of an address; 0: any")
    burst: int = Field(20, ge=1, le=1_000_000, description="uploads that may come at once, where there is a rate")
    hosts: Annotated[tuple[Host, ...], NoDecode] = Field(
        ("*",), description="names of this host, separated by commas; *.example.org is any below it"
    )
    cors_origins: Annotated[tuple[Origin, ...], NoDecode] = Field(
        (), description="origins whose pages may ask, as https://a.example, separated by commas; * is any"
    )
    proxies: Annotated[tuple[IPvAnyNetwork, ...], NoDecode] = Field(
        (), description="addresses or networks whose X-Forwarded headers are believed, separated by commas"
    )
    tls_cert: Path | None = Field(None, description="PEM file of a certificate and its chain: serves HTTPS by it")
    tls_key: Path | None = Field(None, description="PEM file of its key, if that is another file")
    rule: Rule = Field("weighted", description="how the votes are counted: weighted, mean or majority")
    quorum: int = Field(2, ge=1, description="votes that an answer needs at least")
    reject: Reject = Field("balanced", description="what has accepted=false: off, balanced or strict")
    feedback: Path | None = Field(None, description="SQLite file in which feedback is kept; without it none is taken")
    feedback_days: float = Field(90, gt=0, le=36_500, description="days that feedback is kept")
    feedback_rows: int = Field(100_000, ge=1, le=10**8, description="answers with feedback at most; beyond: 507")
    feedback_minutes: float = Field(60, gt=0, le=10**6, description="minutes in which an answer can be fed back")
    feedback_pending: int = Field(100_000, ge=1, le=10**7, description="answers that can be fed back at most")
    drain_seconds: float = Field(
        1, ge=0, le=3600, description="seconds after SIGTERM in which /health says so while requests are still taken"
    )
    grace: int = Field(20, ge=0, le=3600, description="seconds that requests in flight have after that")
    traces: str | None = Field(
        None, pattern=r"^https?://[^/]", description="where OpenTelemetry traces are sent, as http://127.0.0.1:4318"
    )
    log: Literal["auto", "json", "console"] = Field("auto", description="log lines; auto: console on a terminal")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="the least level that is logged"
    )

    @property
    def root(self) -> Path:
        """The folder that versions are read from: `artifacts`, or its own one in `artifacts_cache`."""
        if isinstance(self.artifacts, Address):
            return self.artifacts_cache.expanduser() / self.artifacts.slug
        return self.artifacts

    @property
    def batch_threads(self) -> int:
        """Threads of a batch in each worker."""
        return self.threads or max(1, cores() // 2 // self.workers)

    @property
    def decode_threads(self) -> int:
        """Threads that decode pictures in each worker."""
        return max(1, self.decoders // self.workers)

    @property
    def pins(self) -> dict[str, Pin]:
        """Which versions are wanted of each model, and of the gate."""
        return read_pins(self.versions, (*self.models, GATE))

    @field_validator("api_keys", mode="before")
    @classmethod
    def _keys(cls, value: object) -> object:
        return read_keys(value) if isinstance(value, str) else value

    @field_validator("models", "hosts", "cors_origins", "proxies", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(name.strip() for name in value.split(",")) if isinstance(value, str) else value

    @field_validator("models")
    @classmethod
    def _can_vote(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(value)) < len(value):
            raise ValueError("each model votes once: a name stands there twice")
        if GATE in value:
            raise ValueError(f"{GATE} does not vote: it is loaded as DIGITVOTE_REJECT says")
        return value

    @field_validator("versions")
    @classmethod
    def _are_versions(cls, value: str, info: ValidationInfo) -> str:
        if "models" in info.data:  # else that is what is wrong
            read_pins(value, (*info.data["models"], GATE))
        return value

    @model_validator(mode="after")
    def _quorum_can_be_met(self) -> Self:
        if self.quorum > len(self.models):
            models = ",".join(self.models)
            raise ValueError(f"{PREFIX}QUORUM is {self.quorum}, but {PREFIX}MODELS={models} are {len(self.models)}")
        return self

    @model_validator(mode="after")
    def _one_body_can_be_held(self) -> Self:
        if self.held_bytes < max(self.max_bytes, self.batch_bytes):
            raise ValueError(
                f"{PREFIX}HELD_BYTES={self.held_bytes} is less than one body may have by "
                f"{PREFIX}MAX_BYTES={self.max_bytes} or {PREFIX}BATCH_BYTES={self.batch_bytes}"
            )
        return self

    @model_validator(mode="after")
    def _key_has_a_certificate(self) -> Self:
        if self.tls_key and not self.tls_cert:
            raise ValueError(f"{PREFIX}TLS_KEY is set, but not {PREFIX}TLS_CERT, the certificate that it is of")
        return self


def variables() -> dict[str, str]:
    """Each setting's environment variable and what it means, for help and docs."""
    return {PREFIX + name.upper(): field.description or "" for name, field in Settings.model_fields.items()}


def defaults() -> dict[str, str]:
    """Each setting's environment variable and its default as it would be written there."""
    values = {name: field.default for name, field in Settings.model_fields.items()}
    return {
        PREFIX + name.upper(): ",".join(value) if isinstance(value, tuple) else "" if value is None else str(value)
        for name, value in values.items()
    }


def unknown_variables() -> list[str]:
    """A line for each DIGITVOTE_ variable that is no setting, with the setting that it may be meant as."""
    known = [*variables(), *_OTHERS]
    lines = []
    for name in sorted(os.environ):
        if name.startswith(PREFIX) and name not in known:
            close = difflib.get_close_matches(name, known, 1)
            lines.append(f"{name}: no such setting" + (f"; is {close[0]} meant?" if close else ""))
    return lines


def read_settings() -> Settings:
    """Read the settings from the environment.

    Raises:
        SettingsError: naming each variable with a wrong value, the value and what is allowed.
    """
    try:
        return Settings()
    except ValidationError as error:
        raise SettingsError("\n".join(_sentence(dict(problem)) for problem in error.errors())) from error


def _sentence(problem: dict[str, object]) -> str:
    place = problem["loc"]
    told = str(problem["msg"]).removeprefix("Value error, ")
    if not isinstance(place, tuple) or not place:
        return told
    if problem["type"] == "string_pattern_mismatch":  # nobody wants to read a regular expression
        told = "this is not how it is written"
    name, *entry = place
    variable = PREFIX + str(name).upper()
    # Nor is an address with what may be a key in it.
    value = "" if name in _SECRET or "@" in os.environ.get(variable, "") else f"={os.environ.get(variable, '')!r}"
    which = f"entry {entry[0] + 1}: " if entry else ""
    return f"{variable}{value}: {which}{told} ({variables()[variable]})"
