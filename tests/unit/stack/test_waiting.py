"""Ports for servers that are started later."""

from __future__ import annotations

import socket

import pytest

from backend.stack.errors import PortTakenError
from backend.stack.waiting import claim_port, free_port


def test_free_port__asked_again_and_again__another_each_time() -> None:
    ports = [free_port() for _ in range(50)]
    assert len(set(ports)) == len(ports)


def test_free_port__server_listens_there_as_often_as_it_likes() -> None:
    port = free_port()
    for _ in range(2):
        with socket.create_server(("127.0.0.1", port)) as server, socket.create_connection(("127.0.0.1", port)):
            server.accept()[0].close()


def test_claim_port__somebody_listens__is_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(PortTakenError):
            claim_port(port, "--port")
    assert claim_port(port, "--port") == port
