"""Where the server may listen."""

from __future__ import annotations

import pytest

from oceanpath.errors import ExperimentError
from oceanpath.serving.settings import ServeSettings, is_loopback


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "localhost", "::1", "[::1]"])
def test_this_machine_alone_needs_no_word(host):
    assert is_loopback(host)
    ServeSettings(host=host).hold()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.org", "localhost.evil.example", ""])
def test_others_need_one(host):
    with pytest.raises(ExperimentError, match="--allow-remote"):
        ServeSettings(host=host).hold()
    ServeSettings(host=host, allow_remote=True).hold()
