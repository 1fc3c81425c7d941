"""Whoever answers is heard, and silence ends in time."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from oceanpath.slides.encoders.network import why_unreachable


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[bytes], str]]:
    """The address of a server that takes one connection and says these bytes, then hangs up; without any it stays."""
    for name in ("http_proxy", "all_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    server = socket.create_server(("127.0.0.1", 0))
    held: list[socket.socket] = []
    serving: list[threading.Thread] = []

    def serve(message: bytes) -> None:
        taken, _ = server.accept()
        held.append(taken)
        taken.recv(1 << 16)
        if message:
            taken.sendall(message)
            taken.shutdown(socket.SHUT_RDWR)

    def start(message: bytes) -> str:
        serving.append(threading.Thread(target=serve, args=(message,), daemon=True))
        serving[-1].start()
        return f"http://127.0.0.1:{server.getsockname()[1]}"

    yield start
    for thread in serving:
        thread.join(5)  # it may still be hanging up
    for taken in held:
        taken.close()
    server.close()


@pytest.mark.parametrize("status", ["200 OK", "404 Not Found", "500 Internal Server Error", "429 Too Many Requests"])
def test_any_answer_counts(answers: Callable[[bytes], str], status: str) -> None:
    assert why_unreachable(answers(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode())) == ""


def test_no_answer_ends_in_time(answers: Callable[[bytes], str]) -> None:
    started = time.monotonic()
    assert why_unreachable(answers(b""), 0.5)
    assert time.monotonic() - started < 3


def test_endless_name_resolution_ends_in_time(answers: Callable[[bytes], str], monkeypatch: pytest.MonkeyPatch) -> None:
    released = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [None] * (not released.wait(20)))
    started = time.monotonic()
    assert why_unreachable("http://hub.invalid", 0.3) == "no answer from http://hub.invalid within 0.3 s"
    assert time.monotonic() - started < 3
    released.set()


def test_an_answer_that_is_not_http_is_a_reason(answers: Callable[[bytes], str]) -> None:
    assert "hello" in why_unreachable(answers(b"hello\r\n\r\n"))


def test_unsupported_proxies_are_left_to_the_client(monkeypatch: pytest.MonkeyPatch) -> None:
    assert why_unreachable("file:///nowhere") == ""
    monkeypatch.setenv("all_proxy", "socks5://127.0.0.1:1")
    assert why_unreachable("http://127.0.0.1:1") == ""
