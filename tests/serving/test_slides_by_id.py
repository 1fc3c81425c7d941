"""Slides of a configured folder by their ids, and batches."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from litestar.testing import TestClient

from oceanpath.errors import ExperimentError
from oceanpath.serving.app import create_app
from oceanpath.serving.engine import Engine
from oceanpath.serving.models import Models
from oceanpath.serving.settings import ServeSettings
from oceanpath.serving.slide_folder import SlideFolder

from .conftest import DIM

BAGS = {name: np.random.default_rng(k).standard_normal((5 + k, DIM)).astype(np.float32) for k, name in enumerate("ab")}


def npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Slides a (.h5 with coordinates), b (.npy), one of another encoder, one that is too long, and a damaged one."""
    path = tmp_path_factory.mktemp("slides")
    for name, encoder, rows in (("a", "toy_encoder", 5), ("other", "uni_v1", 5), ("long", "toy_encoder", 300)):
        with h5py.File(path / f"{name}.h5", "w") as file:
            file["features"] = BAGS["a"] if rows == 5 else np.zeros((rows, DIM), np.float32)
            file["coords"] = np.arange(2 * rows, dtype=np.int32).reshape(-1, 2)
            file.attrs["encoder"] = encoder
    (path / "b.npy").write_bytes(npy(BAGS["b"]))
    (path / "damaged.h5").write_bytes((path / "a.h5").read_bytes()[:-700])
    return path


@pytest.fixture(scope="module")
def client(engine: Engine, folder: Path) -> Iterator[TestClient[Any]]:
    settings = ServeSettings(features=folder, max_patches=200, max_batch=5, audit_log=folder.parent / "audit.jsonl")
    with TestClient(create_app(Models.of(engine), settings), base_url="http://127.0.0.1") as client:
        yield client


@pytest.mark.parametrize("name", BAGS)
def test_a_slide_is_predicted_by_its_id_as_by_its_features(client, engine, name):
    answer = client.post("/predict?attention=1", json={"slide_id": name})
    assert answer.status_code == 200
    expected = engine.predict(BAGS[name])
    assert answer.json()["probabilities"] == pytest.approx(expected.by_label(), abs=1e-6)
    assert answer.json()["attention"] == pytest.approx(expected.attention.tolist(), abs=1e-6)
    assert (answer.json()["slide_id"], answer.json()["coords"] is None) == (name, name == "b")


def test_the_slides_are_listed_when_the_server_starts(client, folder):
    (folder / "later.npy").write_bytes(npy(BAGS["b"]))
    assert client.get("/slides").json() == {"slides": ["a", "b", "damaged", "long", "other"], "images": []}
    assert client.post("/predict", json={"slide_id": "later"}).status_code == 404


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../a", "/a", "a/", "a/../a", "..\\a", "a\0", "{folder}/a.h5", "C:\\a", "file:///a"]
)
def test_a_path_is_never_a_slide_id(client, folder, name):
    answer = client.post("/predict", json={"slide_id": name.replace("{folder}", str(folder))})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "malformed")
    assert "not a path" in answer.json()["error"]["what"]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"slide_id": "A"}, 404, "unknown_slide"),
        ({"slide_id": "a.h5"}, 404, "unknown_slide"),
        ({"slide_id": "a%2Fb"}, 404, "unknown_slide"),
        ({"slide_id": "other"}, 409, "wrong_encoder"),
        ({"slide_id": "b", "encoder": "uni_v1"}, 409, "wrong_encoder"),
        ({"slide_id": "long"}, 413, "too_large"),
        ({"slide_id": "damaged"}, 400, "malformed"),
        ({"slide_id": "a", "coords": [[0, 0]]}, 400, "malformed"),
        ({"slide_id": 3}, 400, "malformed"),
        ({"encoder": "toy_encoder"}, 400, "malformed"),
        ({"slide_id": "a", "path": "/etc/passwd"}, 400, "malformed"),
    ],
)
def test_what_cannot_be_predicted_has_a_reason_without_a_path(client, folder, body, status, code):
    answer = client.post("/predict", json=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code), answer.text
    assert str(folder) not in answer.text and "/etc" not in answer.text


def test_without_a_folder_there_are_no_slides(engine):
    with TestClient(create_app(Models.of(engine), ServeSettings()), base_url="http://127.0.0.1") as client:
        assert client.get("/slides").json() == {"slides": [], "images": []}
        answer = client.post("/predict", json={"slide_id": "a"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "unknown_slide")
    assert "--features" in answer.json()["error"]["do"]


def test_a_folder_without_features_is_refused_before_the_server_starts(tmp_path):
    with pytest.raises(ExperimentError, match="no features"):
        SlideFolder.open(tmp_path)


def test_a_batch_of_ids_has_an_answer_or_an_error_per_slide(client, folder, engine):
    ids = ["b", "nope", "a", "../a", "other"]
    answers = client.post("/predict/batch?members=1", json={"slide_ids": ids}).json()
    assert [answer["slide_id"] for answer in answers] == ids
    assert [answer["status"] for answer in answers] == [200, 404, 200, 400, 409]
    for answer in answers:
        assert ("answer" in answer) == (answer["status"] == 200) != ("error" in answer)
    assert answers[0]["answer"]["probabilities"] == pytest.approx(engine.predict(BAGS["b"]).by_label(), abs=1e-6)
    assert len(answers[2]["answer"]["members"]) == 2
    lines = [json.loads(line) for line in (folder.parent / "audit.jsonl").read_text().splitlines()][-5:]
    assert [(line["slide_id"], line["status"]) for line in lines] == list(
        zip(ids, [200, 404, 200, 400, 409], strict=True)
    )
    assert [line["answer"] is None for line in lines] == [False, True, False, True, True]


def test_a_batch_of_files_equals_single_requests(client):
    files = [("files", (f"{name}.npy", npy(bag))) for name, bag in BAGS.items()]
    files.append(("files", ("c.npy", b"garbage")))
    answers = client.post("/predict/batch", files=files).json()
    assert [(answer["slide_id"], answer["status"]) for answer in answers] == [("a", 200), ("b", 200), ("c", 415)]
    for answer, bag in zip(answers[:2], BAGS.values(), strict=True):
        single = client.post(f"/predict?slide_id={answer['slide_id']}", content=npy(bag)).json()
        assert answer["answer"] == single


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"[]", 400),
        (b'{"slide_ids": []}', 400),
        (b'{"slide_ids": ["a", 1]}', 400),
        (b'{"slide_ids": "a"}', 400),
        (b'{"slide_ids": ["a"], "x": 1}', 400),
        (b'{"slide_ids": ["a", "\\ud800"]}', 400),
        (b'{"slide_ids": ["%s"]}' % (b"a" * 401), 400),
        (b'{"slide_ids": ["a", "a", "a", "a", "a", "a"]}', 413),
        (b"\x93NUMPY", 400),
    ],
)
def test_a_body_that_is_no_batch_is_refused(client, body, status):
    answer = client.post("/predict/batch", content=body)
    assert answer.status_code == status and answer.json()["error"]["message"]


def test_a_form_of_too_many_files_is_refused(client):
    answer = client.post("/predict/batch", files=[("f", (f"{k}.npy", npy(BAGS["a"]))) for k in range(6)])
    assert 400 <= answer.status_code < 500 and answer.json()["error"]["message"]
