"""The table of encoders: names that mean one thing, architectures that are the published ones."""

from __future__ import annotations

import re
from types import ModuleType

import pytest
import torch

from oceanpath.errors import ExperimentError
from oceanpath.slides.encoders import ENCODERS, canonical_name, encoder_spec, register_encoder
from oceanpath.slides.encoders.catalog import ENCODER_SPECS
from oceanpath.slides.encoders.spec import EncoderSpec

TIMM = [spec for spec in ENCODER_SPECS if spec.module.endswith("timm_networks")]
PUBLISHED_MILLIONS = {
    "uni_v1": 303, "uni_v2": 681, "virchow": 631, "virchow2": 631, "gigapath": 1135, "hoptimus0": 1135,
    "hoptimus1": 1135, "h0_mini": 86, "gpfm": 303, "kaiko_vits16": 22, "kaiko_vits8": 22, "kaiko_vitb16": 86,
    "kaiko_vitb8": 86, "kaiko_vitl14": 303, "lunit_vits8": 22, "phikon": 86, "phikon_v2": 303, "midnight12k": 1135,
}  # fmt: skip


@pytest.mark.parametrize("spec", TIMM, ids=lambda spec: spec.name)
def test_the_architecture_is_the_published_one(spec: EncoderSpec, timm: ModuleType) -> None:
    """Built without memory: parameters in millions, feature length, and tokens before the first patch."""
    from oceanpath.slides.encoders.timm_networks import network_of

    with torch.device("meta"):
        network = network_of(spec).eval()
        result = network(torch.zeros(2, 3, spec.input_px, spec.input_px))
    assert round(sum(value.numel() for value in network.parameters()) / 1e6) == PUBLISHED_MILLIONS[spec.name]
    if spec.pool == "cls_mean":
        assert result.shape[2] * 2 == spec.dim and spec.prefix_tokens == network.num_prefix_tokens
    else:
        assert result.shape == (2, spec.dim) and spec.pool == "network"


def test_common_aliases_are_registered() -> None:
    names = {"uni2h": "uni_v2", "UNI2-h": "uni_v2", "univ1": "uni_v1", "uni": "uni_v1", "h0-mini": "h0_mini"}
    names |= {"H-optimus-0": "hoptimus0", "Virchow2": "virchow2", "kaiko-vits8": "kaiko_vits8", "phikonv2": "phikon_v2"}
    assert {name: canonical_name(name) for name in names} == names
    assert canonical_name("my.module:factory") == "my.module:factory"


def test_revisions_are_commits_except_for_some_repositories() -> None:
    revisions = {spec.name: spec.hub.revision for spec in ENCODER_SPECS if spec.hub}
    moving = {name for name, revision in revisions.items() if revision == "main"}
    assert moving == {"gpfm", "lunit_vits8", *(name for name in revisions if name.startswith("kaiko"))}
    assert all(re.fullmatch(r"[0-9a-f]{40}", revisions[name]) for name in set(revisions) - moving)


def test_an_encoder_with_weights_has_a_view() -> None:
    for spec in ENCODER_SPECS:
        if spec.hub:
            assert spec.view and spec.view.crop_px == spec.input_px <= spec.view.resize_px, spec.name
            assert spec.licence and spec.source and spec.hub.file


def test_a_name_belongs_to_one_encoder() -> None:
    with pytest.raises(ValueError, match="'uni2h' is already registered"):
        register_encoder(EncoderSpec("another", "m", 1, 1, "l", "s", aliases=("UNI2H",)))
    assert "another" not in ENCODERS


def test_the_nearest_name_is_suggested() -> None:
    with pytest.raises(ExperimentError, match=r"got virchow3\. Did you mean virchow"):
        encoder_spec("virchow3")
    with pytest.raises(ExperimentError, match=r"got zzz\. List all with: oceanpath encoders list"):
        encoder_spec("zzz")
