"""Imports every module that maps tables, so that the metadata is whole."""

from __future__ import annotations

import backend.auth.models
import backend.chain.models
import backend.clearing.models
import backend.exchange.models
import backend.members.models
import backend.partners.models
import backend.points.models
import backend.programmes.models  # noqa: F401
from backend.database import Base

metadata = Base.metadata
"""Every table of the project."""
