"""The Open Inference Protocol (KServe v2): the wire format of requests, responses and errors."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest
from litestar.testing import TestClient

from oceanpath.serving.app import create_app
from oceanpath.serving.engine import Engine
from oceanpath.serving.models import Model, Models
from oceanpath.serving.settings import ServeSettings

from .conftest import DIM

LENGTH = "Inference-Header-Content-Length"
BAG = np.random.default_rng(3).standard_normal((37, DIM)).astype(np.float32)
TYPES: dict[np.dtype[Any], str] = {
    np.dtype("<f2"): "FP16",
    np.dtype("<f4"): "FP32",
    np.dtype("<f8"): "FP64",
    np.dtype("<i4"): "INT32",
}
Client = TestClient[Any]


@pytest.fixture(scope="module")
def client(engine: Engine) -> Iterator[Client]:
    models = Models([Model("toy", engine), Model("other", engine)])
    settings = ServeSettings(max_patches=500)
    with TestClient(create_app(models, settings), base_url="http://127.0.0.1") as client:
        yield client


def tensor(array: np.ndarray, name: str = "features", **other: Any) -> dict[str, Any]:
    parameters = {"parameters": {"binary_data_size": array.nbytes}}
    return {"name": name, "datatype": TYPES[array.dtype], "shape": list(array.shape), **parameters, **other}


def post(client: Client, fields: Any, *arrays: np.ndarray, path: str = "/v2/models/toy/infer") -> httpx.Response:
    header = json.dumps(fields).encode()
    headers = {LENGTH: str(len(header))} if arrays else {}
    return client.post(path, content=b"".join([header, *(array.tobytes() for array in arrays)]), headers=headers)


def outputs(answer: httpx.Response) -> dict[str, np.ndarray]:
    """The outputs of a response, decoded as in the specification."""
    assert answer.status_code == 200, answer.text
    length = int(answer.headers.get(LENGTH, len(answer.content)))
    fields, rest, found = json.loads(answer.content[:length]), answer.content[length:], {}
    kinds = {name: dtype for dtype, name in TYPES.items()}
    for output in fields["outputs"]:
        dtype, size = kinds[output["datatype"]], output.get("parameters", {}).get("binary_data_size")
        flat = np.asarray(output["data"], dtype) if size is None else np.frombuffer(rest[:size], dtype)
        rest = rest[size or 0 :]
        found[output["name"]] = flat.reshape(output["shape"])
    assert not rest
    return found


@pytest.mark.parametrize("dtype", ["<f2", "<f4", "<f8"])
@pytest.mark.parametrize("batch", [True, False])
def test_binary_tensors_give_the_answer_of_the_engine(client, engine, dtype, batch):
    bag = BAG.astype(dtype)
    sent = bag[None] if batch else bag
    answer = post(client, {"inputs": [tensor(sent)], "parameters": {"binary_data_output": True}}, sent)
    found, expected = outputs(answer), engine.predict(bag)
    assert list(found) == ["probabilities", "attention"]
    assert np.array_equal(found["probabilities"], expected.probabilities[None])
    assert np.array_equal(found["attention"], expected.attention[None])


def test_tensors_as_json_flat_or_nested(client, engine):
    expected = engine.predict(BAG)
    for data in (BAG.ravel().tolist(), BAG.tolist(), BAG[None].tolist()):
        fields = {"name": "features", "datatype": "FP32", "shape": [1, 37, DIM], "data": data}
        answer = post(client, {"id": "7", "inputs": [fields]})
        assert np.abs(outputs(answer)["probabilities"][0] - expected.probabilities).max() < 1e-6
        body = answer.json()
        assert (body["model_name"], body["id"], body["model_version"]) == ("toy", "7", engine.facts.seal[:12])
        assert (body["parameters"]["predicted"], body["parameters"]["decision"]) == (
            expected.predicted,
            expected.decision,
        )


def test_only_the_requested_outputs_are_sent_each_in_its_form(client):
    wanted = [{"name": "attention", "parameters": {"binary_data": True}}, {"name": "probabilities"}]
    answer = post(client, {"inputs": [tensor(BAG)], "outputs": wanted}, BAG)
    fields = json.loads(answer.content[: int(answer.headers[LENGTH])])
    assert [("data" in output) for output in fields["outputs"]] == [False, True]
    assert outputs(answer)["attention"].shape == (1, 37)
    only = post(client, {"inputs": [tensor(BAG)], "outputs": [{"name": "probabilities"}]}, BAG)
    assert [output["name"] for output in only.json()["outputs"]] == ["probabilities"]
    assert LENGTH not in only.headers and only.headers["content-type"].startswith("application/json")


def test_parameters_state_the_encoder_and_the_slide(client):
    fields = {"inputs": [tensor(BAG)], "parameters": {"encoder": "another", "slide_id": "S1"}}
    answer = post(client, fields, BAG)
    assert answer.status_code == 409 and "another" in answer.json()["error"]


def test_metadata_health_and_versions(client, engine):
    version = engine.facts.seal[:12]
    assert client.get("/v2/health/live").json() == {"live": True}
    assert client.get("/v2/health/ready").json() == {"ready": True}
    assert client.get("/v2").json()["extensions"] == ["binary_tensor_data"]
    for path in ("/v2/models/other", f"/v2/models/other/versions/{version}"):
        assert client.get(path + "/ready").json() == {"name": "other", "ready": True}
        found = client.get(path).json()
        assert (found["name"], found["versions"]) == ("other", [version])
        assert found["inputs"] == [{"name": "features", "datatype": "FP32", "shape": [1, -1, DIM]}]
        assert [(each["name"], each["shape"]) for each in found["outputs"]] == [
            ("probabilities", [1, 2]),
            ("attention", [1, -1]),
        ]
        assert post(client, {"inputs": [tensor(BAG)]}, BAG, path=path + "/infer").json()["model_name"] == "other"
    for path in ("/v2/models/none", "/v2/models/none/ready", "/v2/models/toy/versions/1"):
        answer = client.get(path)
        assert answer.status_code == 404 and isinstance(answer.json()["error"], str)


GOOD = tensor(BAG)
FLAT = {"name": "features", "datatype": "FP32", "shape": [1, DIM], "data": [0.0] * DIM}
REFUSED: dict[str, tuple[Any, int]] = {
    "a list": ([], 400),
    "no inputs": ({}, 400),
    "inputs are text": ({"inputs": "features"}, 400),
    "an input is text": ({"inputs": ["features"]}, 400),
    "no input": ({"inputs": []}, 400),
    "another name": ({"inputs": [{**FLAT, "name": "image"}]}, 400),
    "twice": ({"inputs": [FLAT, FLAT]}, 400),
    "only coordinates": ({"inputs": [{"name": "coords", "datatype": "INT32", "shape": [1, 2], "data": [0, 0]}]}, 400),
    "another type": ({"inputs": [{**FLAT, "datatype": "BYTES"}]}, 400),
    "type is a list": ({"inputs": [{**FLAT, "datatype": ["FP32"]}]}, 400),
    "no shape": ({"inputs": [{**FLAT, "shape": None}]}, 400),
    "negative shape": ({"inputs": [{**FLAT, "shape": [-1, DIM]}]}, 400),
    "shape of booleans": ({"inputs": [{**FLAT, "shape": [True, DIM]}]}, 400),
    "two slides": ({"inputs": [{**FLAT, "shape": [2, 1, DIM]}]}, 400),
    "another shape": ({"inputs": [{**FLAT, "shape": [2, DIM]}]}, 400),
    "too many patches": ({"inputs": [{**FLAT, "shape": [501, DIM]}]}, 413),
    "huge shape": ({"inputs": [{**FLAT, "shape": [2**40, 2**40]}]}, 413),
    "wrong dimension": ({"inputs": [{**FLAT, "shape": [1, 3], "data": [0, 0, 0]}]}, 422),
    "no patches": ({"inputs": [{**FLAT, "shape": [0, DIM], "data": []}]}, 422),
    "text": ({"inputs": [{**FLAT, "data": ["0"] * DIM}]}, 400),
    "no data": ({"inputs": [{key: value for key, value in FLAT.items() if key != "data"}]}, 400),
    "ragged": ({"inputs": [{**FLAT, "data": [[0], [0, 1]]}]}, 400),
    "too large": ({"inputs": [{**FLAT, "data": [1e300] * DIM}]}, 422),
    "fp16 as json": ({"inputs": [{**FLAT, "datatype": "FP16"}]}, 400),
    "huge integers": (
        {"inputs": [FLAT, {"name": "coords", "datatype": "INT32", "shape": [1, 2], "data": [2**40, 0]}]},
        400,
    ),
    "unknown output": ({"inputs": [FLAT], "outputs": [{"name": "logits"}]}, 400),
    "outputs are text": ({"inputs": [FLAT], "outputs": "attention"}, 400),
    "an output name is a list": ({"inputs": [FLAT], "outputs": [{"name": ["attention"]}]}, 400),
    "id is a number": ({"id": 1, "inputs": [FLAT]}, 400),
    "parameters are a list": ({"inputs": [FLAT], "parameters": []}, 400),
    "encoder is a number": ({"inputs": [FLAT], "parameters": {"encoder": 1}}, 400),
    "more binary than sent": ({"inputs": [{**GOOD, "parameters": {"binary_data_size": 99}}]}, 400),
    "negative binary": ({"inputs": [{**GOOD, "parameters": {"binary_data_size": -4}}]}, 400),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_a_request_that_is_not_valid_has_a_reason(client, kind):
    fields, status = REFUSED[kind]
    answer = post(client, fields)
    assert answer.status_code == status, answer.text
    assert list(answer.json()) == ["error"] and isinstance(answer.json()["error"], str)


@pytest.mark.parametrize("length", ["", "-1", "1.5", "x", "10000", "1" * 30, "\u0665"])
def test_a_header_length_that_is_not_valid_is_refused(client, length):
    answer = client.post("/v2/models/toy/infer", content=b"{}", headers={LENGTH: length.encode()})
    assert answer.status_code == 400 and LENGTH.lower() in answer.json()["error"]


def test_bytes_after_the_last_tensor_are_refused(client):
    answer = post(client, {"inputs": [tensor(BAG)]}, BAG, BAG)
    assert answer.status_code == 400 and "remain" in answer.json()["error"]


def test_coordinates_are_an_input_where_the_model_reads_them(coords_bundle_path):
    engine = Engine.load(coords_bundle_path, threads=1)
    coords = np.arange(74, dtype=np.int32).reshape(37, 2) * 256
    with TestClient(create_app(Models.of(engine), ServeSettings()), base_url="http://127.0.0.1") as client:
        assert [each["name"] for each in client.get("/v2/models/toy").json()["inputs"]] == ["features", "coords"]
        found = outputs(post(client, {"inputs": [tensor(BAG), tensor(coords, "coords")]}, BAG, coords))
        assert post(client, {"inputs": [tensor(BAG)]}, BAG).status_code == 422
    assert np.abs(found["probabilities"][0] - engine.predict(BAG, coords).probabilities).max() < 1e-6
