"""What one API process holds while it runs."""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlalchemy import Engine
from sqlalchemy.orm import Session, sessionmaker

from backend.auth.rate_limits import RateLimiter
from backend.auth.service import CallerCache
from backend.auth.sessions import MemberTokens
from backend.chain.client import ChainClient
from backend.chain.signers import SignerSource
from backend.database import make_engine, make_sessions
from backend.operations import OperationWatcher
from backend.points.intake_lane import EventLane
from backend.settings import Settings


@dataclass(slots=True)
class AppContext:
    """Settings, connections and caches of the process; opened and closed with the application."""

    settings: Settings
    engine: Engine
    sessions: sessionmaker[Session]
    tokens: MemberTokens
    rate_limiter: RateLimiter
    chain: ChainClient
    operations: OperationWatcher
    event_lane: EventLane
    sign_in_limiter: RateLimiter
    callers: CallerCache = field(default_factory=CallerCache)
    signers: SignerSource | None = None
    """Of quotes alone; nothing else that the API does needs a key."""

    @classmethod
    def build(cls, settings: Settings) -> AppContext:
        """Everything but open connections."""
        engine = make_engine(settings.database_url, pool_size=20)
        return cls(
            settings=settings,
            engine=engine,
            sessions=make_sessions(engine),
            tokens=MemberTokens(settings),
            rate_limiter=RateLimiter(settings.rate_limit_per_second, settings.rate_limit_burst),
            chain=ChainClient(settings.rpc_urls, timeout_seconds=5.0, attempts=2),
            operations=OperationWatcher(settings.database_url),
            event_lane=EventLane(settings.database_url),
            sign_in_limiter=RateLimiter(per_second=1, burst=30),
        )

    async def open(self) -> None:
        """Starts what runs beside the requests."""
        await self.operations.open()
        await self.event_lane.open()

    async def close(self) -> None:
        """Ends it, answering what is under way."""
        await self.event_lane.close()
        await self.operations.close()
        self.chain.close()
        self.engine.dispose()
