"""Every router of the package."""

from __future__ import annotations

from fastapi import APIRouter

from backend.exchange import lane_endpoints, quote_endpoints, swap_endpoints

routers: list[APIRouter] = [lane_endpoints.router, quote_endpoints.router, swap_endpoints.router]
"""Included by the application in this order."""
