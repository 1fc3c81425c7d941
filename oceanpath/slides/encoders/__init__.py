"""Patch encoders by name. A new encoder is a spec in `catalog`, and a module if no existing one can build it.

An encoder is selected by its name or an alias (`uni_v1`, `univ1`, `UNI2-h`; case and dashes do not matter), by
``module:factory`` for a custom one (see `oceanpath.slides.encoders.custom`), or by a name that an installed package
adds: an entry point of the group ``oceanpath.encoders`` names a light module that calls `register_encoder`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Protocol

from oceanpath.errors import ExperimentError, nearest
from oceanpath.plugins import load_plugins
from oceanpath.slides.encoders.catalog import ENCODER_SPECS
from oceanpath.slides.encoders.spec import EncoderOptions, EncoderSpec
from oceanpath.slides.encoders.user_code import source_digest
from oceanpath.slides.encoders.weights import find_weights, hash_file, local_file

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Encoder(Protocol):
    """Converts patches to features."""

    name: str
    dim: int
    input_px: int
    batch_size: int
    """Patches per call; with the same number in every call the results are reproducible bit for bit."""
    threads: int
    """Calls of `encode` that may run in parallel, one per core; 0 on a device that runs one call after the other."""
    revision: str
    """Version of the weights as published: a commit, a version, ``local file``; empty without weights."""
    weights_sha256: str
    """SHA-256 of the weights file; empty without weights."""

    def encode(self, patches: NDArray[np.uint8]) -> NDArray[np.float16]:
        """Features [B, dim] of `patches` [B, P, P, 3] RGB; a row depends only on its own patch."""


GROUP = "oceanpath.encoders"
ENCODERS: dict[str, EncoderSpec] = {}
_NAMES: dict[str, str] = {}


def register_encoder(spec: EncoderSpec) -> None:
    """Register an encoder under its name and its aliases.

    Raises: ValueError: a name is already registered.
    """
    names = [_plain(name) for name in (spec.name, *spec.aliases)]
    if taken := [name for name in names if name in _NAMES]:
        raise ValueError(f"the encoder {taken[0]!r} is already registered")
    ENCODERS[spec.name] = spec
    _NAMES.update(dict.fromkeys(names, spec.name))


def canonical_name(name: str) -> str:
    """The name that is recorded in results: the encoder's name for an alias; ``module:factory`` is unchanged.

    Raises: ExperimentError: no such encoder; the message suggests the nearest.
    """
    return name if ":" in name else encoder_spec(name).name


def encoder_spec(name: str) -> EncoderSpec:
    """The spec of an encoder.

    Raises: ExperimentError: no such encoder; the message suggests the nearest.
    """
    if _plain(name) not in _NAMES:
        load_plugins(GROUP)
    if _plain(name) in _NAMES:
        return ENCODERS[_NAMES[_plain(name)]]
    close = nearest(_plain(name), _NAMES)
    do = f"Did you mean {close[0]}?" if close else ""
    do = f"{do} List all with: oceanpath encoders list".strip()
    raise ExperimentError("no such encoder", where="extract.encoder", got=name, do=do)


def build_encoder(name: str, device: str = "auto", options: EncoderOptions | None = None) -> Encoder:
    """An encoder that is ready to use.

    Args:
        name: A name, an alias, or ``module:factory``.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:<n>``.
        options: Weights, revision and precision.

    Raises:
        ExperimentError: no such encoder or device, or options that it does not support.
        MissingExtraError: a package that it needs is not installed.
        StageError: its weights cannot be downloaded, or a custom encoder violates the contract.
        ArtifactError: its weights are damaged, or belong to a different network.
    """
    options = options or EncoderOptions()
    if ":" in name:
        from oceanpath.slides.encoders.custom import build_custom  # loads torch

        return build_custom(name, device, options)
    spec = encoder_spec(name)
    _reject_unsupported(spec, options)
    module: Any = importlib.import_module(spec.module)
    encoder: Encoder = module.build(spec, device, options)
    return encoder


def prepare_encoder(name: str, options: EncoderOptions) -> str:
    """Ensure that the weights are on this machine, downloading them if necessary; loads neither numpy nor torch.

    Returns:
        What the features depend on in addition to the name: SHA-256 of the weights, and of the source of a custom
        encoder; empty for an encoder without weights.

    Raises: OceanPathError: as `build_encoder` does for names, options and weights.
    """
    if ":" in name:
        weights = [hash_file(local_file(options.weights, name))] if options.weights else []
        return " ".join([source_digest(name), *weights])
    spec = encoder_spec(name)
    _reject_unsupported(spec, options)
    return find_weights(spec, options).sha256 if spec.hub else ""


def pinned_revision(name: str, revision: str, *, is_local: bool) -> str:
    """The commit of an encoder's weights; "" if it is not known without loading them.

    Args:
        name: As in `extract.encoder`.
        revision: As in `extract.revision`, "" for the default.
        is_local: Whether the weights are a local file.
    """
    if is_local or ":" in name or _plain(name) not in _NAMES:
        return ""
    hub = encoder_spec(name).hub
    commit = revision or ("" if hub is None else hub.revision)
    return "" if hub is None or commit == "main" else commit


def _reject_unsupported(spec: EncoderSpec, options: EncoderOptions) -> None:
    if spec.hub is None and (options.weights or options.revision):
        key = "weights" if options.weights else "revision"
        do = "Remove this key."
        raise ExperimentError("the encoder has no weights", where=f"extract.{key}", got=spec.name, do=do)


def _plain(name: str) -> str:
    return name.lower().replace("-", "_")


for _spec in ENCODER_SPECS:
    register_encoder(_spec)
