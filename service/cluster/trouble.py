"""What Ray says of a call that failed, in the words of the service's table of errors."""

import structlog
from ray.exceptions import RayTaskError
from ray.serve.exceptions import BackPressureError

from service.errors import Busy, NotReady, ServiceError

log = structlog.get_logger("service")


def as_service_error(error: BaseException) -> ServiceError:
    """The row of the table for what a call of another deployment raised, which is not raised here.

    What it had at work is lost with a replica; it is not sent to another here: the picture may be what ended it.
    """
    if isinstance(error, ServiceError):
        return error
    if isinstance(error, BackPressureError):
        return Busy()
    if isinstance(error, RayTaskError):  # our own code raised what nobody foresaw
        log.error("unexpected error in a replica", exc_info=error)
        return ServiceError()
    log.warning("a replica was lost", reason=type(error).__name__)
    return NotReady("The replica that had this request at work was lost. Send it again in a moment.")
