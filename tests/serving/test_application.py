"""The application in this process: keys, the bounded queue, the audit log, metrics, several models and their reload."""

from __future__ import annotations

import asyncio
import io
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from litestar.testing import TestClient
from pydantic import SecretStr

from oceanpath.artifacts.bundle import folder as bundles
from oceanpath.errors import ArtifactError, ExperimentError
from oceanpath.serving.app import create_app
from oceanpath.serving.engine import Engine, Prediction
from oceanpath.serving.models import BundleSource, Model, Models, parse_source
from oceanpath.serving.settings import KEY_VARIABLE, ServeSettings, read_keys

from .bundle_copies import copy_with_other_weights
from .conftest import DIM

KEY = "0123456789abcdef-secret"
LOCAL = "http://127.0.0.1"


def npy(patches: int = 3) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.ones((patches, DIM), np.float32))
    return buffer.getvalue()


def client_of(models: Models, **settings: Any) -> TestClient[Any]:
    return TestClient(create_app(models, ServeSettings(**settings)), base_url=LOCAL)


@pytest.fixture(scope="module")
def copies(bundle_path: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two bundles with the same name and different weights."""
    folders = [tmp_path_factory.mktemp("copy") for _ in range(2)]
    for folder, factor in zip(folders, (1.5, 2.0), strict=True):
        copy_with_other_weights(bundle_path, folder, factor)
    return folders


@pytest.fixture(scope="module")
def protected(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[TestClient[Any], Path]]:
    """An application with two keys and an audit log."""
    log = tmp_path_factory.mktemp("audit") / "audit.jsonl"
    keys = (SecretStr(KEY), SecretStr("another-key-of-a-client"))
    with client_of(Models.of(engine), keys=keys, audit_log=log) as client:
        yield client, log


@pytest.mark.parametrize("header", [{"Authorization": f"Bearer {KEY}"}, {"authorization": f"bearer  {KEY}"}])
def test_a_known_key_is_accepted(protected, header):
    assert protected[0].get("/model", headers=header).status_code == 200
    assert protected[0].get("/model", headers={"X-API-Key": "another-key-of-a-client"}).status_code == 200


@pytest.mark.parametrize("key", ["", KEY[:-1], KEY + "x", "\xff", "Bearer"])
@pytest.mark.parametrize("header", ["Authorization", "X-API-Key"])
def test_without_a_known_key_nothing_is_answered(protected, key, header):
    sent = {header: (f"Bearer {key}" if header == "Authorization" else key).encode("latin-1")}
    client = protected[0]
    for path in ("/model", "/models", "/model-card", "/metrics", "/models/toy", "/schema"):
        assert client.get(path, headers=sent).status_code == 401
    answer = client.post("/predict", content=npy(), headers=sent)
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "unauthorized")
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("path", ["/health", "/ready", "/", "/web/app.js", "/web/style.css", "/docs"])
def test_health_and_pages_without_data_need_no_key(protected, path):
    assert protected[0].get(path).status_code == 200


def test_keys_are_read_from_a_file_or_a_variable_and_never_shown(tmp_path, monkeypatch):
    file = tmp_path / "keys"
    file.write_text(f"{KEY}\n\nanother-key-of-a-client\n")
    settings = ServeSettings(keys=read_keys(file))
    assert [key.get_secret_value() for key in settings.keys] == [KEY, "another-key-of-a-client"]
    assert KEY not in repr(settings) + settings.model_dump_json()
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    assert read_keys(None)[0].get_secret_value() == KEY
    monkeypatch.delenv(KEY_VARIABLE)
    assert read_keys(None) == ()


@pytest.mark.parametrize("text", [None, "", "\n", "short", f"{KEY}\nshort"])
def test_a_file_without_usable_keys_is_refused(tmp_path, text):
    file = tmp_path / "keys"
    if text is not None:
        file.write_text(text)
    with pytest.raises(ExperimentError, match="--api-key-file") as failure:
        read_keys(file)
    assert KEY not in str(failure.value)


def test_the_audit_log_has_a_line_per_slide_and_no_features(protected, engine):
    client, log = protected
    already = len(log.read_text().splitlines())
    key = {"X-API-Key": KEY}
    body = json.dumps({"features": np.full((3, DIM), 0.123456789).tolist(), "slide_id": "S1"}).encode()
    answer = client.post("/predict?attention=1", content=body, headers={**key, "X-Request-ID": "case-7"})
    client.post("/predict?encoder=other&slide_id=S2", content=npy(), headers=key)
    client.post("/predict", content=b"garbage", headers=key)
    client.post("/predict", content=npy())
    lines = [json.loads(line) for line in log.read_text().splitlines()][already:]
    assert answer.headers["x-request-id"] == "case-7"
    found = [(line["slide_id"], line["status"], line["error"]) for line in lines]
    assert found == [
        ("S1", 200, None),
        ("S2", 409, "wrong_encoder"),
        (None, 415, "unknown_format"),
        (None, 401, "unauthorized"),
    ]
    first = lines[0]
    assert (first["request"], first["model"], first["digest"]) == ("case-7", "toy", engine.facts.digest)
    assert first["answer"]["probabilities"] == pytest.approx(answer.json()["probabilities"])
    assert first["milliseconds"] > 0 and first["time"].endswith("+00:00")
    assert lines[3]["request"] != lines[2]["request"]
    assert "0.123456789" not in log.read_text() and "attention" not in log.read_text() and KEY not in log.read_text()


def test_a_prediction_that_cannot_be_recorded_is_not_sent(engine, tmp_path):
    with pytest.raises(ExperimentError, match="--audit-log"):
        create_app(Models.of(engine), ServeSettings(audit_log=tmp_path / "none" / "log"))
    with client_of(Models.of(engine), audit_log=Path("/dev/full")) as client:
        answer = client.post("/predict", content=npy())
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "audit_failed")
        assert "probabilities" not in answer.text


def test_metrics_count_requests_patches_and_seconds(engine):
    with client_of(Models.of(engine)) as client:
        for _ in range(3):
            client.post("/predict", content=npy(7))
        client.post("/predict", content=b"")
        client.get("/no/such/path")
        answer = client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    lines = answer.text.splitlines()
    assert 'oceanpath_requests_total{route="/predict",status="200"} 3.0' in lines
    assert 'oceanpath_requests_total{route="/predict",status="400"} 1.0' in lines
    assert 'oceanpath_requests_total{route="other",status="404"} 1.0' in lines
    assert 'oceanpath_patches_total{model="toy"} 21.0' in lines
    assert 'oceanpath_inference_seconds_count{model="toy"} 3.0' in lines
    assert "oceanpath_active_predictions 0.0" in lines
    assert any(line.startswith("oceanpath_model_info{") and engine.facts.digest in line for line in lines)


class Waiting:
    """An engine that waits before it answers."""

    def __init__(self, engine: Engine) -> None:
        self._engine, self.proceed = engine, threading.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def predict(self, *slide: Any, **options: Any) -> Prediction:
        assert self.proceed.wait(10)
        return self._engine.predict(*slide, **options)


def waiting_app(engine: Engine, **settings: Any) -> tuple[Any, Waiting]:
    waiting = Waiting(engine)
    models = Models([Model("toy", waiting)])  # type: ignore[arg-type]  # it predicts like an engine
    return create_app(models, ServeSettings(**settings)), waiting


def test_a_full_queue_gives_429_and_when_to_try_again(engine):
    app, waiting = waiting_app(engine, max_waiting=3)

    async def ask() -> list[httpx.Response]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=LOCAL) as client:
            accepted = [asyncio.create_task(client.post("/predict", content=npy())) for _ in range(3)]
            await asyncio.sleep(0.1)
            refused = await client.post("/predict", content=npy())
            waiting.proceed.set()
            return [refused, *await asyncio.gather(*accepted), await client.post("/predict", content=npy())]

    refused, *others = asyncio.run(ask())
    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "busy")
    assert int(refused.headers["retry-after"]) >= 1
    assert [answer.status_code for answer in others] == [200] * 4


def test_a_slow_prediction_times_out_and_keeps_its_slot_until_it_ends(engine):
    app, waiting = waiting_app(engine, max_waiting=1, answer_seconds=0.1)

    async def ask() -> list[int]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=LOCAL) as client:
            statuses = [(await client.post("/predict", content=npy())).status_code for _ in range(2)]
            waiting.proceed.set()
            await asyncio.sleep(0.1)
            return [*statuses, (await client.post("/predict", content=npy())).status_code]

    assert asyncio.run(ask()) == [503, 429, 200]


def test_several_models_are_addressed_by_name_and_version(copies, engine):
    served = Models.open([BundleSource(copies[0]), BundleSource(copies[1]), BundleSource(copies[1], "b")], 1)
    versions = [model.version for model in served]
    with client_of(served) as client:
        listed = client.get("/models").json()
        assert [(each["name"], each["version"]) for each in listed] == list(
            zip(["toy", "toy", "b"], versions, strict=True)
        )
        assert client.get("/health").json()["models"] == ["toy", "toy", "b"]
        paths = ["/predict", "/models/toy/predict", f"/models/toy/versions/{versions[1]}/predict", "/models/b/predict"]
        answers = [client.post(path, content=npy()).json() for path in paths]
        assert [answer["model"]["digest"] for answer in answers] == [listed[i]["digest"] for i in (0, 0, 1, 2)]
        assert answers[0]["probabilities"] != answers[2]["probabilities"] == answers[3]["probabilities"]
        assert client.get("/models/b/model-card").text == client.get("/model-card").text == "# toy\n"
        assert client.get("/models/b").json()["threshold"]["value"] == answers[3]["threshold"]
        for path in ("/models/none", "/models/b/versions/none", f"/models/b/versions/{versions[0]}/model-card"):
            answer = client.get(path)
            assert (answer.status_code, answer.json()["error"]["code"]) == (404, "unknown_model")


def test_a_bundle_that_is_served_twice_or_has_no_address_is_refused(copies):
    with pytest.raises(ExperimentError, match="served twice"):
        Models.open([BundleSource(copies[0]), BundleSource(copies[0])], 1)
    with pytest.raises(ExperimentError, match="NAME=FOLDER"):
        Models.open([BundleSource(copies[0], "a/b")], 1)


def test_a_reload_replaces_all_changed_models_or_none(copies, bundle_path, tmp_path):
    copy_with_other_weights(bundle_path, tmp_path, 3.0)
    served = Models.open([BundleSource(tmp_path), BundleSource(copies[0], "other")], 1)
    first, other = served
    assert served.reload() == [] and served.get() is first
    copy_with_other_weights(bundle_path, tmp_path, 4.0)
    (line,) = served.reload()
    assert line == f"toy: version {first.version} → {served.get().version}"
    assert served.get().facts.digest != first.facts.digest and served.get("other") is other
    kept = served.get()
    for name in (bundles.ONNX, bundles.CARD):
        content = (tmp_path / name).read_bytes()
        copy_with_other_weights(bundle_path, tmp_path, 5.0)
        (tmp_path / name).write_bytes(content[:-1] + b"x")
        with pytest.raises(ArtifactError, match="differs from its digest"):
            served.reload()
        assert served.get() is kept


@pytest.mark.parametrize(("text", "name"), [("folder", ""), ("a=folder", "a"), ("a=b=c", "a")])
def test_a_bundle_can_be_named_on_the_command_line(text, name):
    assert parse_source(text) == BundleSource(Path(text.removeprefix(f"{name}=")), name)


def test_a_folder_with_an_equals_sign_is_not_a_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run=1").mkdir()
    assert parse_source("run=1") == BundleSource(Path("run=1"))
