"""Access to the weights of encoders, and TRIDENT. No secret is printed."""

from __future__ import annotations

import os
from pathlib import Path

from oceanpath.diagnosis.finding import Finding, State
from oceanpath.errors import OceanPathError
from oceanpath.slides.encoders import ENCODERS
from oceanpath.slides.encoders.hub import cache_root, cached
from oceanpath.slides.trident.interpreter import find_interpreter
from oceanpath.stages.extract.settings import ExtractSettings
from oceanpath.stages.extract.trident import trident_versions

GROUP = "access"
TOKEN_VARIABLES = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")


def check_access() -> list[Finding]:
    """The hub's token and cache, and the interpreter of TRIDENT."""
    return [_token(), _weights(), _trident()]


def token_source() -> str:
    """Where the hub's token is set: a variable or a file; "" if there is none. The token itself is not read."""
    for name in TOKEN_VARIABLES:
        if os.environ.get(name):
            return name
    named = os.environ.get("HF_TOKEN_PATH")
    path = Path(named).expanduser() if named else cache_root().parent / "token"
    return str(path) if path.is_file() else ""


def _token() -> Finding:
    if source := token_source():
        return Finding(GROUP, "hub token", State.OK, f"present ({source})")
    do = "For gated encoders: request access on the hub, then set HF_TOKEN or run `hf auth login`."
    return Finding(GROUP, "hub token", State.ABSENT, "not set", do)


def _weights() -> Finding:
    names = [name for name, spec in sorted(ENCODERS.items()) if spec.hub and cached(spec.hub, spec.hub.revision)]
    if names:
        return Finding(GROUP, "weights", State.OK, f"on this machine: {', '.join(names)}")
    text = "none of a pathology encoder on this machine; efficientnet_lite0 is built in"
    return Finding(GROUP, "weights", State.ABSENT, text, "They are downloaded when an experiment uses them.")


def _trident() -> Finding:
    """The interpreter of TRIDENT; if one is set, the versions that it reports."""
    try:
        python = find_interpreter("")
        found = trident_versions(ExtractSettings(backend="trident", trident_python=str(python)))
    except OceanPathError as error:
        do = "It is only needed for extract.backend = 'trident'; see docs/trident.md."
        return Finding(GROUP, "TRIDENT", State.ABSENT, error.facts(), do)
    return Finding(GROUP, "TRIDENT", State.OK, f"{python}: {', '.join(f'{k} {v}' for k, v in found.items())}")
