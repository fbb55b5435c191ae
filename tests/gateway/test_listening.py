"""Ports that are found for what listens later: nobody else's by then."""

import errno
import socket
from itertools import cycle

import pytest

from gateway import listening
from gateway.listening import PORTS, free_port


def test_a_port_is_another_one_each_time_and_none_that_outgoing_connections_are_given() -> None:
    found = [free_port() for _ in range(500)]
    assert len(set(found)) == len(found)
    assert set(found) <= set(PORTS)


def test_one_that_is_taken_is_passed_over_and_none_at_all_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    free = free_port()
    with socket.socket() as held:
        held.bind(("127.0.0.1", taken := free_port()))
        held.listen()
        monkeypatch.setattr(listening, "_ports", cycle([taken, free]))
        assert [free_port(), free_port()] == [free, free]
        monkeypatch.setattr(listening, "_ports", cycle([taken]))
        with pytest.raises(OSError, match="taken") as refused:
            free_port()
    assert refused.value.errno == errno.EADDRINUSE
