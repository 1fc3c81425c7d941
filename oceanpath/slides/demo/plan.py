"""Patients, slides and regions of a demo cohort, before they are drawn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

CLASSES = ("normal", "tumour")
SITES = ("Eastgate", "Harbour", "Northfield")
SCANNER_MPP = {"Eastgate": 0.5, "Harbour": 0.5, "Northfield": 0.25}
SLIDES_PER_PATIENT = (0.6, 0.3, 0.1)
"""Fractions of patients with one, two and three slides."""


@dataclass(frozen=True)
class Spot:
    """A round region with a ragged edge, in pixels of 0.5 µm."""

    kind: str
    """tumour, reactive, lymphocytes, fold or bleached."""
    x: float
    y: float
    radius: float


@dataclass(frozen=True)
class SlidePlan:
    """The plan of one slide."""

    slide_id: str
    patient_id: str
    label: str
    site: str
    mpp: float
    age: int
    sex: str
    side: int
    """Width and height in pixels of 0.5 µm."""
    spots: tuple[Spot, ...]
    seed: tuple[int, ...]
    """Seed of its appearance."""


def plan_cohort(slides: int, side: int, seed: int) -> list[SlidePlan]:
    """The plans of `slides` slides, sorted by id. Half of the patients have a tumour, in each of their slides.

    Args:
        slides: Number of slides.
        side: Mean width of a slide in pixels of 0.5 µm.
        seed: The same seed gives the same cohort.
    """
    rng = np.random.default_rng([seed, 2])
    plans: list[SlidePlan] = []
    patient = int(rng.integers(2))
    while len(plans) < slides:
        count = min(1 + int(rng.choice(3, p=SLIDES_PER_PATIENT)), slides - len(plans))
        plans += _patient(rng, patient, count, side, seed)
        patient += 1
    return sorted(plans, key=lambda plan: plan.slide_id)


def _patient(rng: np.random.Generator, number: int, count: int, side: int, seed: int) -> list[SlidePlan]:
    label = CLASSES[number % 2]
    site = SITES[int(rng.integers(len(SITES)))]
    age, sex = int(np.clip(rng.normal(63, 11), 24, 92)), str(rng.choice(["female", "male"]))
    plans = []
    for block in range(count):
        width = int(side * rng.uniform(0.82, 1.18)) // 64 * 64
        plans.append(
            SlidePlan(
                slide_id=f"OP-{number + 101:04d}-{chr(ord('A') + block)}",
                patient_id=f"OP-{number + 101:04d}",
                label=label,
                site=site,
                mpp=SCANNER_MPP[site],
                age=age,
                sex=sex,
                side=width,
                spots=tuple(_spots(rng, width, label)),
                seed=(seed, 3, number, block),
            )
        )
    return plans


def _spots(rng: np.random.Generator, side: int, label: str) -> list[Spot]:
    """Distractors for all slides, and one to three tumours, mostly small, for positive ones.

    Later spots are drawn over earlier ones, so a tumour is never hidden.
    """
    kinds = [("reactive", int(rng.integers(0, 3)), 120, 330), ("lymphocytes", int(rng.integers(0, 4)), 60, 230)]
    kinds += [("bleached", int(rng.random() < 0.4), 150, 320), ("fold", int(rng.random() < 0.35), 200, 420)]
    if label == CLASSES[1]:
        kinds += [("tumour", 1 + int(rng.choice(3, p=(0.6, 0.3, 0.1))), 110, 460)]
    spots = []
    for kind, count, smallest, largest in kinds:
        for _ in range(count):
            away, angle = side * 0.3 * np.sqrt(rng.random()), rng.uniform(0, 2 * np.pi)
            x, y = side / 2 + away * np.cos(angle), side / 2 + away * np.sin(angle)
            radius = float(np.exp(rng.uniform(np.log(smallest), np.log(largest))))
            spots.append(Spot(kind, round(float(x), 1), round(float(y), 1), round(radius, 1)))
    return spots
