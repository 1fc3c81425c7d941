"""Hosts on which the server may listen."""

from __future__ import annotations

import pytest

from oceanpath.errors import ExperimentError
from oceanpath.serving.settings import ServeSettings, is_loopback


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "localhost", "::1", "[::1]"])
def test_a_loopback_host_needs_no_permission(host):
    assert is_loopback(host)
    ServeSettings(host=host).check_host()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.org", "localhost.evil.example", ""])
def test_other_hosts_need_allow_remote(host):
    with pytest.raises(ExperimentError, match="--allow-remote"):
        ServeSettings(host=host).check_host()
    ServeSettings(host=host, allow_remote=True).check_host()
