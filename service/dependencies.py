"""What routes ask the application for."""

from fastapi import Request

from service.ensemble import Ensemble


def get_ensemble(request: Request) -> Ensemble:
    """The application's ensemble."""
    ensemble: Ensemble = request.app.state.ensemble
    return ensemble
