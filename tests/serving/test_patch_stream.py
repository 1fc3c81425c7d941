"""A large .npy body is evaluated while it arrives, with the answer and the errors of the whole body."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from litestar.testing import TestClient

from oceanpath.artifacts.bundle.facts import Capping, Contract
from oceanpath.serving import patch_stream, slide_run
from oceanpath.serving.app import create_app
from oceanpath.serving.engine import Engine
from oceanpath.serving.models import Models
from oceanpath.serving.patch_stream import PatchStream, find_layout
from oceanpath.serving.prediction_request import Limits
from oceanpath.serving.settings import ServeSettings

from .conftest import DIM
from .pooling_bundle import write_pooling_bundle

BLOCK, PATCHES = 50, 417
CONTRACT = Contract(encoder="", feature_dim=DIM)
CAP = Capping(max_patches=PATCHES - 1, strategy="random", grid=1, seed=0, golden_rows=[])
BAG = np.random.default_rng(0).standard_normal((PATCHES, DIM)).astype(np.float16)


def npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (patch_stream, slide_run):
        monkeypatch.setattr(module, "BLOCK", BLOCK)


class Rows:
    """Records the blocks that are added, as `SlideRun` gets them."""

    def __init__(self) -> None:
        self.blocks: list[np.ndarray] = []

    def add(self, features: np.ndarray) -> None:
        self.blocks.append(features.copy())


async def streamed(body: bytes, size: int) -> list[np.ndarray]:
    """The blocks of a body that arrives in chunks of this size."""
    layout, rows = find_layout(body, CONTRACT, Limits()), Rows()
    assert layout is not None

    def start(work: Callable[[], None]) -> asyncio.Task[None]:
        return asyncio.create_task(asyncio.to_thread(work))

    patches = PatchStream(layout, rows, start)  # type: ignore[arg-type]  # of a run only `add` is called
    for position in range(layout.offset, len(body), size):
        await patches.feed(body[position : position + size])
    await patches.end()
    return rows.blocks


@pytest.mark.parametrize("dtype", ["<f2", "<f4", ">f8"])
@pytest.mark.parametrize("size", [5, 1000, 10**6])
def test_chunks_of_any_size_give_all_patches_in_full_blocks(size, dtype):
    bag = BAG[:120].astype(dtype)
    blocks = asyncio.run(streamed(npy(bag), size))
    assert [len(block) for block in blocks] == [50, 50, 20]
    assert np.array_equal(np.concatenate(blocks), bag)


@pytest.mark.parametrize(
    ("body", "changes"),
    [
        (npy(BAG[:BLOCK]), {}),
        (npy(np.asfortranarray(BAG)), {}),
        (npy(BAG[:, :-1]), {}),
        (npy(BAG.astype(np.int16)), {}),
        (npy(BAG).replace(b"(417,", b"(4-7,"), {}),
        (b'{"features": [[]]}', {}),
        (npy(BAG), {"coords": "required"}),
        (npy(BAG), {"cap": CAP}),
    ],
    ids=["one block", "Fortran order", "dimension", "integers", "damaged header", "JSON", "coordinates", "cap"],
)
def test_other_bodies_are_read_as_a_whole(body, changes):
    assert find_layout(body, CONTRACT.model_copy(update=changes), Limits()) is None


def test_only_bodies_within_the_limits_are_streamed():
    assert find_layout(npy(BAG), CONTRACT, Limits()) is not None
    assert find_layout(npy(BAG), CONTRACT, Limits(max_patches=PATCHES - 1)) is None
    assert find_layout(npy(BAG), CONTRACT, Limits(max_bytes=BAG.nbytes - 1)) is None


@pytest.fixture(scope="module", params=[True, False], ids=["in blocks", "whole"])
def client(
    request: pytest.FixtureRequest, bundle_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[TestClient[Any]]:
    """A model that pools blocks, and one that needs all patches, trained on the bag."""
    folder = tmp_path_factory.mktemp("pooling") / "bundle"
    engine = Engine.load(
        write_pooling_bundle(bundle_path, folder, [BAG.astype(np.float32)], pools_blocks=request.param), threads=1
    )
    with TestClient(create_app(Models.of(engine), ServeSettings()), base_url="http://127.0.0.1") as client:
        yield client


def both(client: TestClient[Any], monkeypatch: pytest.MonkeyPatch, body: bytes, query: str = "") -> list[Any]:
    """Status and JSON of the streamed body and of the same body as a whole."""
    answers = []
    for block in (BLOCK, 10**6):
        monkeypatch.setattr(patch_stream, "BLOCK", block)
        assert (find_layout(body, CONTRACT, Limits()) is None) == (block > PATCHES)
        answer = client.post(f"/predict{query}", content=body)
        answers.append((answer.status_code, answer.json()))
    return answers


def numbers(answer: dict[str, Any]) -> np.ndarray:
    members = [value for member in answer["members"] for value in member["probabilities"].values()]
    return np.array([*answer["probabilities"].values(), *members, *answer["attention"]])


def test_the_answer_is_that_of_the_whole_body(client, monkeypatch):
    (status, got), (_, wanted) = both(
        client, monkeypatch, npy(BAG), "?attention=1&members=1&contributions=1&slide_id=S1"
    )
    assert status == 200 and len(got["attention"]) == PATCHES
    assert np.abs(numbers(got) - numbers(wanted)).max() <= 1e-6
    assert got["in_training"] is wanted["in_training"] is True
    assert got["out_of_distribution"]["score"] == pytest.approx(wanted["out_of_distribution"]["score"], rel=1e-12)
    assert (
        (got["contributions"] is None)
        == (wanted["contributions"] is None)
        == (not client.get("/model").json().get("pools_blocks"))
    )
    if got["contributions"] is not None:
        parts, other = got["contributions"], wanted["contributions"]
        assert parts["of"] == other["of"] == "log odds of R"
        assert np.abs(np.subtract(parts["values"], other["values"])).max() <= 1e-6
        log_odds = np.log(got["members"][0]["probabilities"]["R"] / got["members"][0]["probabilities"]["NR"])
        assert parts["total"] == pytest.approx(sum(parts["values"]), abs=1e-5) == pytest.approx(log_odds, abs=1e-4)
    for key in ("slide_id", "notes", "coords", "n_patches", "n_used", "decision", "predicted", "model"):
        assert got[key] == wanted[key]


def changed(row: int, value: float) -> np.ndarray:
    bag = BAG.astype(np.float64)
    bag[[row, row + 7], 3] = value
    return bag


@pytest.mark.parametrize(
    ("body", "query", "status"),
    [
        (npy(changed(222, np.nan)), "", 422),
        (npy(changed(5, -np.inf)), "", 422),
        (npy(changed(300, 1e300)), "", 422),
        (npy(BAG)[:-1], "", 400),
        (npy(BAG) + b"\0", "", 400),
        (npy(BAG), "?encoder=another", 409),
        (npy(BAG), f"?slide_id={'x' * 401}", 400),
    ],
    ids=["NaN", "infinite", "too large", "short", "long", "encoder", "slide id"],
)
def test_an_error_is_that_of_the_whole_body(client, monkeypatch, body, query, status):
    got, wanted = both(client, monkeypatch, body, query)
    assert got == wanted and got[0] == status


LENGTH = "Inference-Header-Content-Length"


def tensor_body(array: np.ndarray, **changes: Any) -> tuple[bytes, dict[str, str]]:
    """Body and headers of a request of the Open Inference Protocol with binary features."""
    kinds = {2: "FP16", 4: "FP32", 8: "FP64"}
    tensor = {"name": "features", "datatype": kinds[array.dtype.itemsize], "shape": list(array.shape)}
    fields = {"id": "7", "inputs": [{**tensor, "parameters": {"binary_data_size": array.nbytes}}], **changes}
    header = json.dumps(fields).encode()
    return header + array.tobytes(), {LENGTH: str(len(header))}


def both_tensors(
    client: TestClient[Any], monkeypatch: pytest.MonkeyPatch, body: bytes, headers: dict[str, str]
) -> list[tuple[int, bytes, int]]:
    """Status, content and number of streamed blocks of the streamed request and of the same request as a whole."""
    name, answers, blocks = client.get("/models").json()[0]["name"], [], 0
    original = PatchStream._evaluate

    async def count(patches: PatchStream) -> None:
        nonlocal blocks
        blocks += 1
        await original(patches)

    monkeypatch.setattr(PatchStream, "_evaluate", count)
    for block in (BLOCK, 10**6):
        blocks = 0
        monkeypatch.setattr(patch_stream, "BLOCK", block)
        answer = client.post(f"/v2/models/{name}/infer", content=body, headers=headers)
        answers.append((answer.status_code, answer.content, blocks))
    return answers


@pytest.mark.parametrize("dtype", ["<f2", "<f4", "<f8"])
def test_binary_tensors_are_streamed_with_the_answer_of_the_whole_body(client, monkeypatch, dtype):
    for sent in (BAG.astype(dtype), BAG.astype(dtype)[None]):
        got, wanted = both_tensors(client, monkeypatch, *tensor_body(sent))
        assert got[0] == 200 and (got[2], wanted[2]) == (9, 0)
        one, other = json.loads(got[1]), json.loads(wanted[1])
        for a, b in zip(one.pop("outputs"), other.pop("outputs"), strict=True):
            assert np.abs(np.subtract(a.pop("data"), b.pop("data"))).max() <= 1e-6
            assert a == b
        assert one == other and one["id"] == "7" and one["parameters"]["in_training"] is True


COORDS = {"name": "coords", "datatype": "INT32", "shape": [1, 2], "data": [0, 0]}


@pytest.mark.parametrize(
    ("body", "status", "blocks"),
    [
        (tensor_body(changed(222, np.nan)), 422, 9),
        (tensor_body(BAG, parameters={"encoder": "another"}), 409, 0),
        (tensor_body(BAG, parameters={"slide_id": 3}), 400, 0),
        (tensor_body(BAG, outputs=[{"name": "image"}]), 400, 0),
        (tensor_body(BAG, inputs=[COORDS]), 400, 0),
        (tensor_body(BAG[:, 1:]), 422, 0),
        ((tensor_body(BAG)[0], {}), 400, 0),
        ((tensor_body(BAG)[0], {LENGTH: "99999999"}), 400, 0),
        ((tensor_body(BAG)[0][:-2], tensor_body(BAG)[1]), 400, 8),
        ((tensor_body(BAG)[0] + b"\0\0", tensor_body(BAG)[1]), 400, 8),
    ],
    ids=[
        *("NaN", "encoder", "slide id", "output", "no features", "dimension", "no length", "length", "short"),
        "long",
    ],
)
def test_other_tensors_and_errors_are_those_of_the_whole_body(client, monkeypatch, body, status, blocks):
    got, wanted = both_tensors(client, monkeypatch, *body)
    assert got[:2] == wanted[:2] and got[0] == status
    assert (got[2], wanted[2]) == (blocks, 0)
