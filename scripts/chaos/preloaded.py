"""What the server of processes loads once, so that a process of the bridge starts in a tenth of a second."""

from __future__ import annotations

import gc
import importlib

for _name in (
    "scripts.chaos.roles",
    "bridge.attester_api",
    "bridge.relayer",
    "bridge.watchdog",
    "coincurve",
    "httpcore",
    "pydantic.v1",
    "uvicorn.lifespan.on",
    "uvicorn.loops.auto",
    "uvicorn.protocols.http.auto",
    "uvicorn.protocols.websockets.auto",
):
    # What a process would load when it runs; here all share it.
    importlib.import_module(_name)
# And no process looks through it for garbage.
gc.freeze()
