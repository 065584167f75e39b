"""The application that Ray Serve deploys: `serve deploy` and `python -m service cluster up` build it here."""

from pathlib import Path
from typing import Any

from ray import serve
from ray.serve.deployment import Application

from registry.address import Location
from service.cluster.decode import Decode
from service.cluster.ingress import Ingress
from service.cluster.scale import Scale
from service.cluster.vote import Vote
from service.settings import Settings, SettingsError, read_settings
from service.source import check

NAME = "digitvote"

_QUIET: dict[str, Any] = {
    "logging_config": {"enable_access_log": False}
}  # each request is logged by the service itself


def build(scale: Scale) -> Application:
    """The application of the environment's DIGITVOTE_ settings, at this scale.

    Raises:
        SettingsError: if a setting has a wrong value, or one that a cluster cannot have.
    """
    settings = _of_cluster(read_settings())
    vote = serve.deployment(name="vote", **_QUIET, **scale.for_vote(settings))(Vote).bind(scale.of_vote(settings))
    decode = serve.deployment(name="decode", **_QUIET, **scale.for_decode(settings))(Decode).bind(settings)
    ingress = serve.deployment(name="ingress", **_QUIET, **scale.for_ingress(settings))(serve.ingress()(Ingress))
    return ingress.bind(scale.of_ingress(settings), vote, decode)


def _of_cluster(settings: Settings) -> Settings:
    """The settings with folders that mean the same wherever a replica is."""
    if settings.workers > 1:
        raise SettingsError(
            f"DIGITVOTE_WORKERS={settings.workers}: replicas are what a cluster has instead. Unset it, and see --vote."
        )
    if settings.feedback:
        raise SettingsError(
            f"DIGITVOTE_FEEDBACK={str(settings.feedback)!r}: a cluster takes no feedback, as its replicas would "
            "write one SQLite file from several machines. Unset it, or serve from one: python -m service --workers N."
        )
    check(settings)
    folders = {"artifacts": _anywhere(settings.artifacts), "artifacts_cache": _anywhere(settings.artifacts_cache)}
    return settings.model_copy(update=folders)


def _anywhere(place: Location) -> Location:
    """The same, wherever a process runs; a home stays each machine's own."""
    return place.absolute() if isinstance(place, Path) and not str(place).startswith("~") else place


def http_options(settings: Settings) -> dict[str, Any]:
    """What the proxies of Ray Serve, one a node, are told by the settings.

    Raises:
        SettingsError: if the port is left to chance.
    """
    if not settings.port:
        raise SettingsError("DIGITVOTE_PORT='0': the proxies of all nodes listen on one port. Take one that is free.")
    certificate = settings.tls_cert and {
        "ssl_certfile": str(settings.tls_cert.absolute()),
        "ssl_keyfile": str((settings.tls_key or settings.tls_cert).absolute()),
    }
    return {
        "host": settings.host,
        "port": settings.port,
        "keep_alive_timeout_s": settings.keep_alive,
        **(certificate or {}),
    }
