"""What routes ask the application for."""

from fastapi import Request

from service.ensemble import Ensemble
from service.lane import Lane


def get_ensemble(request: Request) -> Ensemble:
    """The application's ensemble."""
    ensemble: Ensemble = request.app.state.ensemble
    return ensemble


def get_lane(request: Request) -> Lane:
    """The application's lane for requests of many pictures."""
    lane: Lane = request.app.state.lane
    return lane
