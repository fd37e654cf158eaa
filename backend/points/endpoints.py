"""Every router of the package."""

from __future__ import annotations

from fastapi import APIRouter

from backend.points import event_endpoints, upload_endpoints

routers: list[APIRouter] = [upload_endpoints.router, event_endpoints.router]
"""Included by the application in this order."""
