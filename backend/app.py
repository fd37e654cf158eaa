"""The API."""

from __future__ import annotations

import gc
import importlib.util
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from backend import health, problems
from backend.auth import endpoints as auth
from backend.clearing import endpoints as clearing
from backend.context import AppContext
from backend.errors import Problem
from backend.exchange import endpoints as exchange
from backend.handlers import install_handlers
from backend.logging import configure_logging
from backend.members import endpoints as members
from backend.members import wallet_endpoints as wallets
from backend.middleware import BodyLimit, RequestObserver
from backend.partners import endpoints as partners
from backend.points import endpoints as points
from backend.programmes import endpoints as programmes
from backend.settings import Settings

_DESCRIPTION = """
Loyalty points that expire, on a chain. Writes need an `Idempotency-Key`; what has to happen on the chain answers 202
with an operation that can be polled, streamed and awaited (`Prefer: wait=10`). Points are integers, money is a decimal
string with an ISO 4217 code, times are RFC 3339 in UTC. Errors are RFC 9457 problems.
"""


def create_app(settings: Settings) -> FastAPI:
    """The application. It opens its connections when it starts; only signing quotes needs a signer's key."""
    configure_logging(settings.log_level)
    context = AppContext.build(settings)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await context.open()
        yield
        await context.close()

    app = FastAPI(
        title="Interpoints",
        version="1",
        description=_DESCRIPTION,
        lifespan=lifespan,
        openapi_url="/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
    )
    app.state.context = context
    install_handlers(app)
    # The way in for events is matched first and without nested routers: it is what tills wait for.
    app.router.routes[:0] = points.quick_routes
    for router in [
        *auth.routers,
        programmes.router,
        members.router,
        wallets.members,
        wallets.sessions,
        *points.routers,
        *exchange.routers,
        *clearing.routers,
        *partners.routers,
    ]:
        app.include_router(router, prefix="/v1")
    app.include_router(health.router)
    app.include_router(problems.router)
    _include_pages(app)
    app.add_middleware(BodyLimit)
    app.add_middleware(RequestObserver)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]
    return app


def set_startup_objects_aside() -> None:
    """Takes all objects there are now out of the garbage collector's rounds. For the process that serves, once.

    A full round over the application's own objects, which live as long as it does, held every request up for about
    150 ms (`tests/bench/earn.py`).
    """
    gc.collect()
    gc.freeze()


def _include_pages(app: FastAPI) -> None:
    """The member page is a package of its own that the API can do without."""
    if importlib.util.find_spec("backend.web.endpoints") is not None:
        from backend.web.endpoints import router  # noqa: PLC0415

        app.include_router(router)


def _openapi(app: FastAPI) -> dict[str, object]:
    if app.openapi_schema is None:
        schema = get_openapi(
            title=app.title,
            version=app.version,
            description=app.description,
            routes=app.routes,
            openapi_version="3.1.0",
        )
        components = schema.setdefault("components", {})
        components.setdefault("schemas", {})["Problem"] = Problem.model_json_schema()
        components["securitySchemes"] = {
            "apiKey": {"type": "http", "scheme": "bearer", "description": "An API key, `ip_...`"},
            "memberSession": {"type": "http", "scheme": "bearer", "description": "A member's session, `ims_...`"},
        }
        app.openapi_schema = schema
    return app.openapi_schema
