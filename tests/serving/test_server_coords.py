"""A model that reads coordinates, behind HTTP: every body that carries them is answered, no other one is."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest

from oceanpath.serving.engine import Engine

from .conftest import Server, start, stop

N, DIM = 9, 12
BAG = np.random.default_rng(5).standard_normal((N, DIM)).astype(np.float32)
COORDS = (np.stack([np.arange(N) % 4, np.arange(N) // 4], axis=1) * 300).astype(np.int32)


@pytest.fixture(scope="module")
def server(places_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    log = tmp_path_factory.mktemp("server") / "log"
    running = start(places_path, log, max_body_mib=4, max_patches=5000)
    yield running
    stop(running)
    assert "Traceback" not in log.read_text()


@pytest.fixture(scope="module")
def engine(places_path: Path) -> Engine:
    return Engine.load(places_path, threads=1)


def npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def h5(coords: np.ndarray | None) -> bytes:
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file["features"] = BAG
        if coords is not None:
            file["coords"] = coords
    return buffer.getvalue()


def form(**parts: bytes) -> tuple[bytes, str]:
    head = b'--edge\r\nContent-Disposition: form-data; name="%s"; filename="%s.npy"\r\n\r\n'
    blocks = [head % (name.encode(), name.encode()) + content + b"\r\n" for name, content in parts.items()]
    return b"".join(blocks) + b"--edge--\r\n", "multipart/form-data; boundary=edge"


def as_json(**fields: object) -> tuple[bytes, str]:
    return json.dumps({"features": BAG.tolist(), **fields}).encode(), "application/json"


WITH = {
    "h5": (h5(COORDS), ""),
    "h5 of float coords": (h5(COORDS.astype(np.float64)), ""),
    "json": as_json(coords=COORDS.tolist()),
    "form": form(features=npy(BAG), coords=npy(COORDS)),
    "form of float coords": form(coords=npy(COORDS.astype(np.float64)), slide=npy(BAG)),
    "form of an h5 without, and coords": form(slide=h5(None), coords=npy(COORDS)),
}
REFUSED = {
    "npy": (npy(BAG), "", 422, "coords_needed"),
    "h5 without": (h5(None), "", 422, "coords_needed"),
    "json without": (*as_json(), 422, "coords_needed"),
    "json null": (*as_json(coords=None), 422, "coords_needed"),
    "json too few": (*as_json(coords=COORDS[:-1].tolist()), 422, "bad_features"),
    "json of three numbers": (*as_json(coords=[[1, 2, 3]] * N), 422, "bad_features"),
    "json text": (*as_json(coords=[["1", "2"]] * N), 400, "malformed"),
    "json empty": (*as_json(coords=[]), 422, "no_patches"),
    "json far away": (*as_json(coords=[[2**25, 0]] * N), 422, "bad_features"),
    "form of coords alone": (*form(coords=npy(COORDS)), 400, "malformed"),
    "form of coords as text": (*form(slide=npy(BAG), coords=b"0,0"), 400, "malformed"),
    "form of complex coords": (*form(slide=npy(BAG), coords=npy(COORDS.astype(complex))), 400, "malformed"),
    "form of more coords": (*form(slide=npy(BAG), coords=npy(np.zeros((N + 1, 2)))), 422, "bad_features"),
    "form with coords twice": (*form(slide=h5(COORDS), coords=npy(COORDS)), 400, "malformed"),
    "form of three files": (*form(slide=npy(BAG), coords=npy(COORDS), more=npy(BAG)), 400, "malformed"),
}


@pytest.mark.parametrize("kind", WITH)
def test_every_body_with_coordinates_gives_the_engine_s_answer(server, engine, kind):
    body, media_type = WITH[kind]
    status, found = server.ask("/predict?attention=1", body, Content_Type=media_type)
    assert status == 200, found
    wanted = engine.predict(BAG, COORDS)
    assert found["probabilities"]["R"] == pytest.approx(float(wanted.probabilities[1]), abs=1e-6)
    assert found["coords"] == COORDS.tolist()
    moved = engine.predict(BAG, COORDS[::-1])
    assert abs(float(moved.probabilities[1]) - found["probabilities"]["R"]) > 1e-3


@pytest.mark.parametrize("kind", REFUSED)
def test_every_other_body_is_refused_by_name(server, kind):
    body, media_type, wanted, code = REFUSED[kind]
    status, found = server.ask("/predict", body, Content_Type=media_type)
    assert (status, found["error"]["code"]) == (wanted, code), found
    assert server.healthy()


def test_an_answer_says_which_slide_and_what_was_not_compared(server):
    body, media_type = as_json(coords=COORDS.tolist(), slide_id="S 7")
    status, found = server.ask("/predict", body, Content_Type=media_type)
    assert (status, found["slide_id"], found["n_used"], found["in_training"]) == (200, "S 7", N, False)
    assert "do not state their encoder" in found["notes"][0]
    assert [one["fold"] for one in server.ask("/predict?members=1", body, Content_Type=media_type)[1]["members"]] == [
        0,
        1,
    ]
