"""Bundles and pretrained weights on a hub: the hub's real client against a server on loopback."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from oceanpath.artifacts.bundle.folder import ONNX, read_bundle
from oceanpath.artifacts.hub import Address, parse_address
from oceanpath.artifacts.pretrained import WEIGHTS, WeightFacts, read_facts, write_weights
from oceanpath.cli.app import run_app
from oceanpath.errors import ExperimentError

from .conftest import free_port
from .hub_server import COMMIT, TOKEN, HubServer


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[HubServer]:
    pytest.importorskip("huggingface_hub", minversion="1")
    with HubServer() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_address[1]}")
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        monkeypatch.chdir(tmp_path)
        yield server
        server.shutdown()


def test_a_bundle_is_the_same_after_upload_and_download(hub: HubServer, bundle_path: Path, capsys) -> None:
    assert run_app(["hub", "push", str(bundle_path), "hf://lab/model"]) == 0
    assert capsys.readouterr().out == f"hf://lab/model@{COMMIT}\n"
    files = hub.repos["lab/model"]
    assert hub.private == {"lab/model": True} and files["README.md"] == files["MODEL_CARD.md"]
    assert run_app(["hub", "pull", f"hf://lab/model@{COMMIT}", "--out", "copy"]) == 0
    assert read_bundle(Path("copy")).facts == read_bundle(bundle_path).facts
    assert sorted(path.name for path in Path().iterdir()) == ["copy"]
    assert {path.name for path in Path("copy").iterdir()} == {path.name for path in bundle_path.iterdir()}
    assert run_app(["hub", "pull", "hf://lab/model", "--out", "copy"]) == 2


def test_weights_are_the_same_after_upload_and_download(hub: HubServer) -> None:
    facts = WeightFacts({"name": "x"}, {"name": "static"}, 3, "uni_v1", "", None, None, 0, [], [])
    write_weights(Path("mine.safetensors"), {"a": np.ones(2, np.float32)}, facts)
    assert run_app(["hub", "push", "mine.safetensors", "hf://lab/weights", "--public"]) == 0
    assert hub.private == {"lab/weights": False}
    assert run_app(["hub", "pull", "hf://lab/weights", "--out", "new/copy"]) == 0
    assert read_facts(Path("new/copy") / WEIGHTS) == facts


def test_changed_files_leave_nothing(hub: HubServer, bundle_path: Path, capsys) -> None:
    assert run_app(["hub", "push", str(bundle_path), "hf://lab/model"]) == 0
    hub.repos["lab/model"][ONNX] += b" "
    assert run_app(["hub", "pull", "hf://lab/model", "--out", "copy"]) == 4
    hub.repos["lab/model"] = {"pytorch_model.bin": b"others"}
    assert run_app(["hub", "pull", "hf://lab/model", "--out", "copy"]) == 4
    assert "expected bundle.json or aggregator.safetensors, got pytorch_model.bin" in capsys.readouterr().err
    assert not list(Path().iterdir())


def test_refusals_name_the_remedy(hub: HubServer, bundle_path: Path, monkeypatch, capsys) -> None:
    assert run_app(["hub", "pull", "hf://lab/none", "--out", "copy"]) == 3
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    assert run_app(["hub", "push", str(bundle_path), "hf://lab/model"]) == 3
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{free_port()}")
    assert run_app(["hub", "pull", "hf://lab/model", "--out", "copy"]) == 3
    shown = capsys.readouterr().err
    assert "no such repository" in shown and "refused the request" in shown and "cannot be reached" in shown
    assert shown.count("HF_TOKEN") == 2 and "hf_wrong" not in shown
    Path("copy").mkdir()
    assert run_app(["hub", "pull", "hf://lab/model", "--out", "copy"]) == 2
    assert "--out copy: the folder exists. Name another with --out." in capsys.readouterr().err


def test_addresses() -> None:
    assert parse_address("hf://lab/a.b-c") == Address("lab/a.b-c", "main")
    assert parse_address("hf://lab/a@refs/pr/1").revision == "refs/pr/1"
    for text in ("lab/a", "hf://a", "hf://lab/a/b", "https://hub/lab/a", "hf://lab/a@"):
        with pytest.raises(ExperimentError, match="no address"):
            parse_address(text)
