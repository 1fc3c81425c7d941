"""The report of an experiment: contents, escaping, self-containment, accessibility of its structure."""

from __future__ import annotations

import re
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from oceanpath.reporting.documents import Documents
from oceanpath.reporting.page import experiment_page
from oceanpath.reporting.pictures import LARGE_BYTES, embed
from oceanpath.reporting.tables import draw_bars, table_one

from .examples import (
    binary_metrics,
    documents,
    label_documents,
    metrics,
    record,
    survival_documents,
    three_class_documents,
)

HOSTILE = "<script>alert('{0}')</script>"
EVERY = {
    "binary": documents,
    "survival": survival_documents,
    "three classes": three_class_documents,
    "labels": label_documents,
}


class Structure(HTMLParser):
    """Tags with their attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: Any) -> None:
        self.tags.append((tag, dict(attributes)))

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(params=EVERY)
def page(request: pytest.FixtureRequest) -> str:
    return experiment_page(EVERY[request.param]())


def words(page: str) -> str:
    """The text of a page."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", re.sub(r"<style>.*?</style>", "", page, flags=re.S))).split())


def test_a_page_requests_nothing_and_has_no_script(page: str) -> None:
    structure = Structure(page)
    assert not structure.named("script") and not structure.named("link")
    addresses = [value for _, own in structure.tags for key, value in own.items() if key in ("src", "href")]
    assert addresses and all(value and value.startswith(("data:", "#")) for value in addresses)
    assert "url(" not in page and "@import" not in page


def test_links_captions_and_texts_for_pictures_are_complete(page: str) -> None:
    structure = Structure(page)
    ids = [own["id"] for _, own in structure.tags if "id" in own]
    assert len(ids) == len(set(ids))
    assert all(
        own["href"] == "#" or own["href"].removeprefix("#") in ids for own in structure.named("a") if own["href"]
    )
    assert len(structure.named("caption")) == len(structure.named("table"))
    assert len(structure.named("h1")) == 1
    assert all(own.get("alt") for own in structure.named("img"))


def test_the_same_documents_give_the_same_bytes() -> None:
    assert experiment_page(documents()) == experiment_page(documents())


def test_class_names_are_text_and_never_markup() -> None:
    page = experiment_page(documents(binary_metrics(("normal", HOSTILE))))
    assert "<script" not in page
    assert f"predicted {HOSTILE}" in words(page)


def test_the_page_states_what_was_left_out_and_the_counts() -> None:
    text = words(experiment_page(documents()))
    for part in (
        "40 slides in the label table",
        "left out: 1 failed",
        "left out: 2 without a label",
        "36 slides of 27",
    ):
        assert part in text
    assert "Numbers of slides; the most probable class is predicted." in text
    assert "normal 17 3 tumour 4 12" in text


def test_numbers_are_read_in_plain_words_and_follow_the_file() -> None:
    report = binary_metrics()
    report["operating_point"]["slide"]["sensitivity"] = record(0.61, low=0.5, high=0.7)
    text = words(experiment_page(documents(report)))
    assert (
        "Of 100 tumour slides, about 61 are called tumour. The data are compatible with values from 50 % to 70 %"
        in text
    )


def test_f1_and_auprc_are_in_the_appendix_with_a_reason() -> None:
    page = experiment_page(documents())
    before, _, appendix = page.partition('<section id="appendix">')
    assert "AUPRC" not in words(before.partition("<main")[2]).replace("auprc", "")
    assert "F1 ignores true negatives" in words(appendix) and "AUPRC depends on the prevalence" in words(appendix)


def test_every_label_has_titles_and_sentences() -> None:
    page = experiment_page(label_documents())
    text, appendix = words(page), words(page.partition('<section id="appendix">')[2])
    assert "Labels egfr, kras" in text and "AUROC, mean over labels" in text
    assert "AUROC, egfr 0.800 (0.700 to 0.900)" in text and "AUPRC, kras" in appendix and "AUROC" not in appendix[:400]
    assert "In 80 % of pairs of a slide with egfr and one without it" in text
    assert "Of 100 slides with kras, about 80 are called kras." in text and "each label at its threshold" in text
    assert (
        "Labels per slide: egfr, kras." in text and "A number per slide" not in text and "label: response" not in text
    )
    assert "no probabilities" not in text and "no probability" not in text


def test_baselines_and_warnings_have_titles() -> None:
    text = words(experiment_page(label_documents()))
    assert "worse than baseline : Frequencies of the training labels: AUROC 0.4 against 0.5" in text
    assert "Worse than the baseline: Frequencies of the training labels." in text and "floor" not in text
    assert "Youden's J" in words(experiment_page(documents()))


def test_the_prior_of_external_data_is_printed_for_auroc_only() -> None:
    assert "0.067 in the median of 380 pairs" in words(experiment_page(documents()))
    assert "0.067" not in words(experiment_page(survival_documents()))


@pytest.mark.parametrize(
    ("verdict", "line"),
    [
        ("worse", "Worse than the baseline: mean_pool."),
        ("undetermined", "Not shown to be better than the baseline: mean_pool."),
        ("better", "Better than every baseline"),
    ],
)
def test_the_first_lines_state_the_comparison_with_the_baselines(verdict: str, line: str) -> None:
    report = binary_metrics()
    report["versus_baseline"]["mean_pool"]["verdict"] = verdict
    assert line in words(experiment_page(documents(report)))


def test_an_external_cohort_is_shown_with_its_difference() -> None:
    inside = documents()
    outside = metrics("auroc", ("auroc",), external="hospital_b")
    outside["level"]["slide"]["auroc"] = record(0.65, low=0.6)
    both = Documents(inside.name, {**inside.files, "external.hospital_b/metrics.json": outside}, inside.folders)
    assert "hospital_b 36 0.650 (0.600 to 0.900) +0.150" in words(experiment_page(both))


def test_an_undefined_number_has_its_reason() -> None:
    report = binary_metrics()
    report["level"]["slide"]["auroc"] = record(None)
    assert "undefined (one class only)" in words(experiment_page(documents(report)))


def test_selected_results_are_marked() -> None:
    assert "every number is optimistic" in words(experiment_page(documents({**binary_metrics(), "selected": True})))


def test_a_run_whose_environment_is_unknown_has_a_command_only() -> None:
    own = documents()
    own.files["ledger"]["environment"] = {}
    page = experiment_page(own)
    assert "oceanpath run mine.toml" in page and "Source revision" not in page


def test_the_replay_command_is_printed() -> None:
    assert "oceanpath run mine.toml Source revision c0ffee , with uncommitted changes" in words(
        experiment_page(documents())
    )


@pytest.mark.parametrize(
    ("planned", "line"), [(True, "x12, recorded before"), (False, "x12, not known to be recorded")]
)
def test_reveals_of_a_sealed_test_are_printed(planned: bool, line: str) -> None:
    own = documents({**binary_metrics(), "sealed": {"plan": {}, "sha256": "x12"}})
    own.files["ledger"]["sealed"] = {"reveals": 3, "planned": planned}
    text = words(experiment_page(own))
    assert "number of reveals in this workspace: 3" in text and line in text


def test_figures_are_embedded(tmp_path: Path) -> None:
    Image.new("RGB", (20, 10)).save(tmp_path / "roc.png")
    page = experiment_page(documents(eval=tmp_path))
    assert [own for own in Structure(page).named("img") if str(own["src"]).startswith("data:image/png;base64,")]


def test_a_small_svg_is_preferred_and_a_large_png_becomes_jpeg(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (300, 300, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_size > LARGE_BYTES
    assert embed(tmp_path / "a.png").startswith("data:image/jpeg;")
    (tmp_path / "a.svg").write_text("<svg/>")
    assert embed(tmp_path / "a.png").startswith("data:image/svg+xml;")
    assert embed(tmp_path / "none.png") == ""


def test_table_one_has_the_mean_of_the_folds_and_its_share() -> None:
    rows = [
        {"fold": fold, "role": "train", "column": "sex", "value": value, "patients": count}
        for fold, value, count in (("0", "f", "4"), ("1", "f", "5"), ("0", "", "6"), ("1", "", "3"))
    ]
    (column,) = table_one(rows)
    assert column["rows"] == [("f", ["4.5 (50 %)", "0", "0"]), ("(unknown)", ["4.5 (50 %)", "0", "0"])]


def test_bars_share_one_scale_and_undefined_records_have_none() -> None:
    first, second, none = draw_bars([record(0.8), record(0.75, low=0.6, high=0.8), record(None)], reference=0.5)
    assert none is None and first is not None and second is not None
    assert first.reference == second.reference == 4.0
    assert first.low < first.value < first.high == 96.0
