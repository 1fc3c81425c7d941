"""Which patients and slides a demo cohort has, and what is planted where; nothing is drawn here."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

CLASSES = ("normal", "tumour")
SITES = ("Eastgate", "Harbour", "Northfield")
SCANNER_MPP = {"Eastgate": 0.5, "Harbour": 0.5, "Northfield": 0.25}
SLIDES_PER_PATIENT = (0.6, 0.3, 0.1)
"""Shares of patients with one, two and three slides."""


@dataclass(frozen=True)
class Spot:
    """Something planted: a round place with a ragged edge, in pixels of 0.5 µm."""

    kind: str
    """tumour, reactive, lymphocytes, fold or bleached."""
    x: float
    y: float
    radius: float


@dataclass(frozen=True)
class SlidePlan:
    """One slide before it is drawn."""

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
    """Seeds everything that is random about its looks."""


def plan_cohort(slides: int, side: int, seed: int) -> list[SlidePlan]:
    """The plans of `slides` slides, sorted by id. Half of the patients have a tumour, in each of their slides.

    Args:
        slides: Number of slides.
        side: Mean width of a slide in pixels of 0.5 µm.
        seed: The same seed, the same cohort.
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
    made = []
    for block in range(count):
        width = int(side * rng.uniform(0.82, 1.18)) // 64 * 64
        made.append(
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
    return made


def _spots(rng: np.random.Generator, side: int, label: str) -> list[Spot]:
    """Distractors for everyone, tumour for the positives: one to three places, most of them small.

    Later spots lie over earlier ones, so a tumour is never hidden.
    """
    wanted = [("reactive", int(rng.integers(0, 3)), 120, 330), ("lymphocytes", int(rng.integers(0, 4)), 60, 230)]
    wanted += [("bleached", int(rng.random() < 0.4), 150, 320), ("fold", int(rng.random() < 0.35), 200, 420)]
    if label == CLASSES[1]:
        wanted += [("tumour", 1 + int(rng.choice(3, p=(0.6, 0.3, 0.1))), 110, 460)]
    found = []
    for kind, count, smallest, largest in wanted:
        for _ in range(count):
            away, angle = side * 0.3 * np.sqrt(rng.random()), rng.uniform(0, 2 * np.pi)
            x, y = side / 2 + away * np.cos(angle), side / 2 + away * np.sin(angle)
            radius = float(np.exp(rng.uniform(np.log(smallest), np.log(largest))))
            found.append(Spot(kind, round(float(x), 1), round(float(y), 1), round(radius, 1)))
    return found
