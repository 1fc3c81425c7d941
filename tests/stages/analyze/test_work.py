import json

import pytest

from oceanpath.errors import ArtifactError
from oceanpath.figures.files import files_of
from oceanpath.pipeline.stage import Quiet
from oceanpath.stages.analyze import embed, work
from oceanpath.stages.analyze.settings import AnalyzeSettings
from oceanpath.stages.analyze.stage import STAGE

QUICK = AnalyzeSettings(resamples=100, attention_slides=1, deletion_slides=3, device="cpu")
BARE = QUICK.model_copy(update={"attention_slides": 0, "deletion_slides": 0})


def files(out):
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()}


def test_it_writes_everything_and_passes_its_check(make, out):
    cohort = make(extract=True)
    cohort.add_variant("other", 1)
    summary = work.run(QUICK, cohort.inputs, out, Quiet())
    work.check(out)
    facts = json.loads((out / "analysis.json").read_text())
    pictures = [fact["picture"] for fact in facts["attention"]]
    figures = ("embedding.png", "embedding_aligned.png", "deletion.png", *pictures)
    assert set(files(out)) == {
        *("analysis.json", "attention.parquet", "comparison.json", "embedding.parquet"),
        *(name for png in figures for name in files_of(png)),
        *(name for fact in facts["attention"] for name in fact["scores"]),
    }
    assert summary.metrics == {"attention_slides": 1, "compared": 1}
    assert summary.lines[0].startswith("embedding.png") and summary.lines[2].startswith("deletion.png")
    assert facts["localisation"] is None and len(facts["deletion"]["slides"]) == 3
    assert "base against other" in summary.lines[-1]


def test_what_is_not_counted_is_named(make, out, monkeypatch):
    class Phases(Quiet):
        def phase(self, text):
            phases.append(text)

    phases: list[str] = []
    monkeypatch.setattr(embed, "flatten", lambda embeddings, settings: embeddings[:, :2])
    work.run(BARE.model_copy(update={"embedding": "umap"}), make().inputs, out, Phases())
    assert phases == ["compiling UMAP"]


def test_the_same_inputs_give_the_same_bytes(make, out, tmp_path):
    inputs = make().inputs
    again = tmp_path / "again"
    again.mkdir()
    for folder in (out, again):
        work.run(QUICK, inputs, folder, Quiet())
    assert files(out) == files(again) and "comparison.json" not in files(out)


def test_a_tiny_cohort_has_no_map_and_says_why(make, out):
    summary = work.run(BARE, make(patients=2).inputs, out, Quiet())
    work.check(out)
    assert "too few" in summary.lines[0] and not (out / "embedding.png").exists()


def test_selected_rows_carry_the_word(make, out):
    cohort = make(selected=True)
    cohort.add_variant("other", 1)
    summary = work.run(BARE, cohort.inputs, out, Quiet())
    assert json.loads((out / "analysis.json").read_text())["selected"] is True
    assert json.loads((out / "comparison.json").read_text())["selected"] is True
    assert summary.lines[-1].startswith("selected ")


def test_the_check_misses_no_damaged_file(make, out):
    cohort = make()
    cohort.add_variant("other", 1)
    work.run(QUICK, cohort.inputs, out, Quiet())
    for name, kept in files(out).items():
        (out / name).write_bytes(b"")
        with pytest.raises(ArtifactError):
            work.check(out)
        (out / name).write_bytes(kept)
    work.check(out)


def test_no_map_needs_a_reason(make, out):
    work.run(BARE, make(patients=2).inputs, out, Quiet())
    facts = json.loads((out / "analysis.json").read_text())
    facts["embedding"]["reason"] = ""
    (out / "analysis.json").write_text(json.dumps(facts))
    with pytest.raises(ArtifactError, match="without a reason"):
        work.check(out)


def test_the_door():
    assert STAGE.required() == ("train", "mmap", "eval") and STAGE.optional() == ("demo", "extract")
    assert STAGE.across == ("train",) and STAGE.settings_class is AnalyzeSettings
    assert "device" not in AnalyzeSettings().identity()
