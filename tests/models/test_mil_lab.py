from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from oceanpath.artifacts.pretrained import read_facts
from oceanpath.cli.app import run_app
from oceanpath.errors import ArtifactError
from oceanpath.models.mil_lab import import_mil_lab
from oceanpath.models.pretrained import load_pretrained


def theirs(prefix: str = "", changed: dict[str, Tensor] | None = None) -> dict[str, Tensor]:
    torch.manual_seed(0)
    layers = {
        "patch_embed.0": torch.nn.Linear(6, 5),
        "global_attn.attention_a.0": torch.nn.Linear(5, 4),
        "global_attn.attention_b.0": torch.nn.Linear(5, 4),
        "global_attn.attention_c": torch.nn.Linear(4, 1),
        "classifier": torch.nn.Linear(5, 108),
    }
    tensors = {
        f"{name}.{part}": layer.state_dict()[part] for name, layer in layers.items() for part in ("weight", "bias")
    }
    return {prefix + name: value.clone() for name, value in (tensors | (changed or {})).items()}


def their_embedding(w: dict[str, Tensor], h: Tensor) -> Tensor:
    """Ilse et al. (2018), equations 7 and 9, from the published tensors."""
    linear = torch.nn.functional.linear
    x = torch.relu(linear(h, w["patch_embed.0.weight"], w["patch_embed.0.bias"]))
    a, b = (linear(x, w[f"global_attn.attention_{k}.0.weight"], w[f"global_attn.attention_{k}.0.bias"]) for k in "ab")
    gated = torch.tanh(a) * torch.sigmoid(b)
    scores = linear(gated, w["global_attn.attention_c.weight"], w["global_attn.attention_c.bias"])
    return torch.softmax(scores, dim=0).T @ x


@pytest.mark.parametrize(("suffix", "prefix"), [(".safetensors", "model."), (".bin", ""), (".pt", "model.")])
@torch.no_grad()
def test_the_imported_model_has_their_embedding(tmp_path: Path, suffix: str, prefix: str) -> None:
    source, out, tensors = tmp_path / f"w{suffix}", tmp_path / "out.safetensors", theirs(prefix)
    save_file(tensors, source) if suffix == ".safetensors" else torch.save(tensors, source)
    import_mil_lab(source, out, "uni_v1")
    aggregator, facts = load_pretrained(out)
    assert (facts.in_dim, facts.encoder, facts.model["hidden"], facts.model["attention"]) == (6, "uni_v1", 5, 4)
    h = torch.randn(9, 6)
    torch.testing.assert_close(aggregator.forward_features(h[None])[0], their_embedding(theirs(), h))


@pytest.mark.parametrize(
    ("tensors", "words"),
    [
        (theirs(changed={"patch_embed.3.weight": torch.zeros(5, 5)}), "unknown: patch_embed.3.weight"),
        ({"global_attn.module.0.weight": torch.zeros(4, 5)}, "missing: global_attn.attention_a.0.bias"),
        (theirs(changed={"global_attn.attention_c.weight": torch.zeros(2, 4)}), "do not fit each other"),
    ],
    ids=["two layers", "not gated", "two heads"],
)
def test_another_architecture_is_refused(tmp_path: Path, tensors: dict[str, Tensor], words: str) -> None:
    save_file(tensors, tmp_path / "w.safetensors")
    with pytest.raises(ArtifactError, match=words):
        import_mil_lab(tmp_path / "w.safetensors", tmp_path / "out.safetensors", "uni_v1")
    assert not (tmp_path / "out.safetensors").exists()


def test_a_damaged_file_and_an_unknown_origin_are_errors(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "w.pt").write_bytes(b"no weights")
    out = tmp_path / "out.safetensors"
    rest = ["--out", str(out), "--encoder", "uni_v1"]
    assert run_app(["models", "import", "mil-lab", str(tmp_path / "w.pt"), *rest]) == 4
    assert run_app(["models", "import", "elsewhere", str(tmp_path / "w.pt"), *rest]) == 2
    torch.save(theirs(), tmp_path / "w.pt")
    assert run_app(["models", "import", "mil-lab", str(tmp_path / "w.pt"), *rest]) == 0
    printed = capsys.readouterr()
    assert 'input_norm = "none"\nhidden = 5\nattention = 4' in printed.out
    assert read_facts(out).method == {"name": "mil-lab"}
