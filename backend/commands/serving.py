"""`interpoints api` and `interpoints worker`: the two kinds of processes of a production installation."""

from __future__ import annotations

import signal
import threading
from typing import Annotated

import typer
import uvicorn

from backend.commands.common import CommandError, EnvFile, load_settings, notes
from backend.logging import configure_logging
from backend.monitoring import MonitoringServer
from backend.worker import Role, Worker


def api(env_file: EnvFile = None) -> None:
    """Serve the API and the member page until stopped."""
    from backend.app import create_app, set_startup_objects_aside  # noqa: PLC0415 - only this command needs the whole application

    settings = load_settings(env_file)
    configure_logging(settings.log_level)
    app = create_app(settings)
    set_startup_objects_aside()
    uvicorn.run(app, host=settings.api_host, port=settings.api_port, log_config=None, access_log=False)


def worker(
    roles: Annotated[
        str,
        typer.Option(
            help="What this worker does, separated by commas: intake, batch, submit, index, post, clear, follow."
        ),
    ] = "intake,batch,submit,index,post,clear,follow",
    env_file: EnvFile = None,
) -> None:
    """Do the work behind the API until stopped: SIGTERM lets the steps under way end."""
    from backend.worker_roles import build_loops  # noqa: PLC0415 - loads all that workers need

    settings = load_settings(env_file)
    configure_logging(settings.log_level)
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    working = Worker(build_loops(settings, parse_roles(roles), stopping), stopping)
    monitoring = MonitoringServer(settings.api_host, settings.metrics_port, working.problems)
    working.start()
    if settings.metrics_port:
        monitoring.start()
        notes.print(f"Health and metrics are at http://{settings.api_host}:{monitoring.port}/.")
    while not stopping.wait(1.0):
        pass
    if not working.stop():
        raise CommandError("A step did not end in time; nothing is lost, the next worker goes on with it.")


def parse_roles(text: str) -> list[Role]:
    """Roles from their names, separated by commas."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    known = ", ".join(Role)
    for name in names:
        if name not in list(Role):
            raise CommandError(f"There is no role {name!r}; there are {known}.")
    if not names:
        raise CommandError(f"Say at least one role: {known}.")
    return [Role(name) for name in dict.fromkeys(names)]
