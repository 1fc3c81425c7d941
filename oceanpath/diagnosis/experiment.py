"""What an experiment needs and does not have: data, packages, weights, access and disk space."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from oceanpath.diagnosis.access import token_source
from oceanpath.diagnosis.finding import Finding, State
from oceanpath.errors import OceanPathError
from oceanpath.pipeline.experiment import Experiment
from oceanpath.pipeline.plan import Plan, plan
from oceanpath.pipeline.preflight import run_preflight
from oceanpath.slides.encoders import ENCODERS
from oceanpath.slides.encoders.hub import cached
from oceanpath.stages.extract.settings import ExtractSettings

GROUP = "experiment"


def check_experiment(experiment: Experiment, workspace: Path) -> list[Finding]:
    """The problems of the preflight, and encoder weights that are not on this machine."""
    planned = plan(experiment)
    names = ", ".join(step.name for step in planned.steps)
    result = run_preflight(planned, {}, workspace)
    findings = [_problem(error) for error in (*result.problems, *result.absent)]
    findings += [_device(experiment), *_encoders(planned)]
    return [Finding(GROUP, "file", State.OK, f"{experiment.path}: {len(planned.steps)} steps: {names}"), *findings]


def _problem(error: OceanPathError) -> Finding:
    text = f"{error.where}: {error.facts()}" if error.where else error.facts()
    return Finding(GROUP, "data", State.MISSING, text, error.do)


def _device(experiment: Experiment) -> Finding:
    import torch

    device = str(experiment.base.value("runtime.device"))
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if available.get(device.partition(":")[0], True):
        return Finding(GROUP, "device", State.OK, device)
    do = 'Set runtime.device = "auto".'
    return Finding(GROUP, "device", State.MISSING, f"{device} is not available on this machine", do)


def _encoders(planned: Plan) -> list[Finding]:
    """The weights of the encoders of steps that extract features."""
    steps = [step for step in planned.steps if step.stage.name == "extract"]
    return [_encoder(cast("ExtractSettings", step.settings)) for step in steps]


def _encoder(settings: ExtractSettings) -> Finding:
    spec = ENCODERS.get(settings.encoder) if settings.backend == "native" else None
    if spec is None or spec.hub is None or settings.weights is not None:
        return Finding(GROUP, "encoder", State.OK, f"{settings.encoder}: no download is needed")
    if cached(spec.hub, settings.revision or spec.hub.revision):
        return Finding(GROUP, "encoder", State.OK, f"{settings.encoder}: weights are on this machine")
    text = f"{settings.encoder}: weights are not on this machine ({spec.hub.repo})"
    if spec.hub.gated and not token_source():
        do = "Request access on the hub and set HF_TOKEN, or set extract.weights to a local file."
        return Finding(GROUP, "encoder", State.MISSING, f"{text}; access is granted by their owner", do)
    return Finding(GROUP, "encoder", State.ABSENT, text, "They are downloaded once, before the first slide is opened.")
