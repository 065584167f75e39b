"""How far the application scales: replicas of each deployment, and what one that votes has of its machine."""

import math
import re
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from service.settings import Settings

_RANGE = re.compile(r"(\d{1,4})(?::(\d{1,4}))?")
_SHARE = 0.5  # CPUs that a replica of the routes or of the decoding is counted as: it waits as much as it works
_BEYOND = 64  # requests that are let in beside uploads: probes and pages, and what is to be refused
_BATCH = 4  # a replica that votes is at its target with a quarter of a full batch in flight: the next gathers meanwhile


def _read(value: object) -> object:
    """The two ends of a range as it is written: `1:4`, or `2` for always two."""
    if not isinstance(value, str | int):
        return value
    found = _RANGE.fullmatch(str(value))
    if found is None:
        raise ValueError(f"{value!r}: write MIN:MAX, as 1:4, or one number")
    return int(found[1]), int(found[2] or found[1])


def _ordered(value: tuple[int, int]) -> tuple[int, int]:
    least, most = value
    if not 1 <= least <= most:
        raise ValueError(f"{least}:{most}: at least 1, and no more than the second number")
    return value


Range = Annotated[tuple[int, int], BeforeValidator(_read), AfterValidator(_ordered)]


class Scale(BaseModel):
    """Replicas as MIN:MAX; between them Ray scales by the requests in flight."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)

    ingress: Range = Field((1, 4), description="replicas of the routes, MIN:MAX")
    decode: Range = Field((1, 4), description="replicas that read large pictures, MIN:MAX")
    vote: Range = Field((1, 4), description="replicas of the models, MIN:MAX")
    cpus: float = Field(1, gt=0, le=256, description="CPUs of a replica of the models")
    gpus: float = Field(0, ge=0, le=16, description="GPUs of a replica of the models, as 1 or 0.25")

    def for_ingress(self, settings: Settings) -> dict[str, Any]:
        """Ray's options for the routes; what is past the bounds is refused by the application, in its own words."""
        return {
            **_scaled(settings, self.ingress, max(1, settings.queue // 8)),
            "max_ongoing_requests": settings.queue + settings.batches + _BEYOND,
            "max_queued_requests": settings.queue,
            "ray_actor_options": {"num_cpus": _SHARE},
        }

    def for_decode(self, settings: Settings) -> dict[str, Any]:
        """Ray's options for the decoding: one picture at work in a replica, one at hand."""
        return {
            **_scaled(settings, self.decode, 1),
            "max_ongoing_requests": 2,
            "max_queued_requests": settings.queue,
            "ray_actor_options": {"num_cpus": _SHARE},
        }

    def for_vote(self, settings: Settings) -> dict[str, Any]:
        """Ray's options for the models: two batches in flight at most, one at work while the next gathers."""
        return {
            **_scaled(settings, self.vote, max(1, settings.max_batch // _BATCH)),
            "max_ongoing_requests": 2 * settings.max_batch,
            "max_queued_requests": settings.queue,
            "ray_actor_options": {"num_cpus": self.cpus, "num_gpus": self.gpus},
        }

    def of_vote(self, settings: Settings) -> Settings:
        """The settings of a replica of the models, which has so many CPUs and not half of its machine."""
        return settings.model_copy(update={"threads": settings.threads or max(1, math.floor(self.cpus))})

    def of_ingress(self, settings: Settings) -> Settings:
        """The settings of the routes, of which many pictures keep all decoders at work."""
        return settings.model_copy(update={"decoders": self.decode[1]})


def _scaled(settings: Settings, replicas: tuple[int, int], target: int) -> dict[str, Any]:
    least, most = replicas
    return {
        "autoscaling_config": {"min_replicas": least, "max_replicas": most, "target_ongoing_requests": target},
        "graceful_shutdown_timeout_s": settings.grace,
    }
