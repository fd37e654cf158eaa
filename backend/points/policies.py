"""Policies that an endpoint and its service share."""

from __future__ import annotations

from backend.auth.policies import Policy
from backend.auth.scopes import Scope

EVENT_POLICY = Policy(scope=Scope.EVENTS_WRITE, own_transaction=True)
"""Recording events."""
UPLOAD_POLICY = Policy(scope=Scope.EVENTS_WRITE, own_transaction=True)
"""Uploading many."""
