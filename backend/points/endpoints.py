"""Every router of the package."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.routing import BaseRoute

from backend.points import (
    event_endpoints,
    member_endpoints,
    operation_endpoints,
    redemption_endpoints,
    return_endpoints,
    upload_endpoints,
)

routers: list[APIRouter] = [
    upload_endpoints.router,  # before events, whose ids would match `uploads`
    event_endpoints.router,
    return_endpoints.router,
    member_endpoints.router,
    redemption_endpoints.router,
    operation_endpoints.router,
]
"""Included by the application in this order."""
quick_routes: list[BaseRoute] = [*event_endpoints.quick.routes]
"""Matched before all others; their paths are whole."""
