"""A server process on loopback: predictions equal the offline ones, and no request stops it."""

from __future__ import annotations

import http.client
import io
import json
import socket
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import h5py
import numpy as np
import pytest

from oceanpath.artifacts.bundle.folder import ONNX

DIM = 12


def npy(array: np.ndarray, **how: bool) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, **how)
    return buffer.getvalue()


def h5(features: np.ndarray, encoder: str = "toy_encoder", coords: bool = True) -> bytes:
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file["features"] = features
        if coords:
            file["coords"] = np.arange(2 * len(features), dtype=np.int32).reshape(-1, 2)
        file.attrs["encoder"] = encoder
    return buffer.getvalue()


def form(*parts: tuple[str, bytes]) -> tuple[bytes, str]:
    blocks = [
        b'--edge\r\nContent-Disposition: form-data; name="f"; filename="%s"\r\n\r\n%s\r\n' % (name.encode(), content)
        for name, content in parts
    ]
    return b"".join(blocks) + b"--edge--\r\n", "multipart/form-data; boundary=edge"


def bodies(bag: np.ndarray) -> dict[str, tuple[bytes, str]]:
    return {
        "npy": (npy(bag), "application/octet-stream"),
        "npy without a type": (npy(bag), ""),
        "npy fortran": (npy(np.asfortranarray(bag)), "application/octet-stream"),
        "npy [1, N, D]": (npy(bag[None]), "application/x-npy"),
        "npy big endian": (npy(bag.astype(">f4")), "application/x-npy"),
        "npy float64": (npy(bag.astype(np.float64)), "application/x-npy"),
        "h5": (h5(bag), "application/x-hdf5"),
        "h5 without coords": (h5(bag, coords=False), "application/octet-stream"),
        "json": (json.dumps({"features": bag.tolist()}).encode(), "application/json"),
        "form": form(("slide.npy", npy(bag))),
        "form h5": form(("slide.h5", h5(bag))),
    }


@pytest.mark.parametrize("kind", bodies(np.zeros((1, DIM), np.float32)))
def test_every_body_gives_the_offline_answer(server, engine, bag, kind):
    body, media_type = bodies(bag)[kind]
    status, found = server.ask("/predict?attention=1", body, Content_Type=media_type)
    wanted = engine.predict(bag)
    assert status == 200
    assert (
        np.abs(np.asarray([found["probabilities"][c] for c in engine.facts.classes]) - wanted.probabilities).max()
        < 1e-6
    )
    assert np.abs(np.asarray(found["attention"]) - wanted.attention).max() < 1e-6
    assert (found["predicted"], found["decision"], found["n_patches"]) == (wanted.predicted, wanted.decision, 37)
    assert found["model"]["digest"] == engine.facts.digest
    places = np.arange(74).reshape(-1, 2).tolist()
    assert found["coords"] == (places if kind in ("h5", "form h5") else None)


def test_half_precision_is_computed_in_float32(server, engine, bag):
    half = bag.astype(np.float16)
    _, found = server.ask("/predict", npy(half))
    assert abs(found["probabilities"]["R"] - engine.predict(half.astype(np.float32)).probabilities[1]) < 1e-6


def test_attention_is_returned_on_request_only(server, bag):
    assert "attention" not in server.ask("/predict", npy(bag))[1]
    assert "attention" not in server.ask("/predict?attention=false", npy(bag))[1]


def huge_npy() -> bytes:
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(head, {"descr": "<f4", "fortran_order": False, "shape": (2**40, DIM)})
    return head.getvalue() + b"\0" * 64


def bomb_h5() -> bytes:
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file.create_dataset("features", shape=(4000, 2**20), dtype="f4", chunks=(1, 2**20), compression="gzip")
    return buffer.getvalue()


def external_h5(kind: str) -> bytes:
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        if kind == "link":
            file["features"] = h5py.ExternalLink("/etc/other.h5", "features")
        elif kind == "soft":
            file["features"] = h5py.SoftLink("/elsewhere")
        else:
            file.create_dataset("features", shape=(4, DIM), dtype="f4", external=[("/etc/hostname", 0, 4 * DIM * 4)])
    return buffer.getvalue()


GOOD = np.zeros((3, DIM), np.float32)
NAN = np.where(np.arange(3 * DIM).reshape(3, DIM) == 7, np.nan, 0).astype(np.float32)
REFUSED = {
    "empty": (b"", "", 400, "malformed"),
    "garbage": (np.random.default_rng(0).bytes(2**20), "application/octet-stream", 415, "unknown_format"),
    "text": (b"hello", "text/plain", 415, "unknown_format"),
    "torch or npz": (b"PK\x03\x04" + b"\0" * 50, "application/octet-stream", 415, "unknown_format"),
    "wrong dimension": (npy(np.zeros((3, DIM + 1), np.float32)), "", 422, "wrong_dimension"),
    "one axis": (npy(np.zeros(DIM, np.float32)), "", 422, "wrong_dimension"),
    "four axes": (npy(np.zeros((1, 1, 3, DIM), np.float32)), "", 422, "wrong_dimension"),
    "nan": (npy(NAN), "", 422, "not_finite"),
    "inf in half": (npy(np.full((3, DIM), np.inf, np.float16)), "", 422, "not_finite"),
    "too large for float32": (npy(np.full((3, DIM), 1e300)), "", 422, "not_finite"),
    "no answer": (npy(np.full((3, DIM), 3e38, np.float32)), "", 422, "bad_features"),
    "no patches": (npy(np.zeros((0, DIM), np.float32)), "", 422, "no_patches"),
    "pickle": (npy(np.asarray([{"a": 1}], object), allow_pickle=True), "", 400, "malformed"),
    "integers": (npy(np.zeros((3, DIM), np.int64)), "", 400, "malformed"),
    "structured": (npy(np.zeros(3, [("a", "f4")])), "", 400, "malformed"),
    "npy claims 2^40 rows": (huge_npy(), "", 413, "too_large"),
    "npy too short": (npy(GOOD)[:-1], "", 400, "malformed"),
    "npy too long": (npy(GOOD) + b"x", "", 400, "malformed"),
    "npy version 9": (b"\x93NUMPY\x09\x00" + b"\0" * 99, "", 400, "malformed"),
    "npy nested header": (b"\x93NUMPY\x01\x00\x10\x27" + b"(" * 10000, "", 400, "malformed"),
    "npy odd header": (b"\x93NUMPY\x01\x00\x08\x00{'''\n  x", "", 400, "malformed"),
    "too many patches": (npy(np.zeros((5001, DIM), np.float16)), "", 413, "too_large"),
    "over the body limit": (b"\0" * (4 * 2**20 + 1), "", 413, "too_large"),
    "h5 cut off": (h5(GOOD)[:-9], "", 400, "malformed"),
    "h5 head alone": (b"\x89HDF\r\n\x1a\n" + b"\0" * 500, "", 400, "malformed"),
    "h5 nan": (h5(NAN), "", 422, "bad_features"),
    "h5 no patches": (h5(GOOD[:0]), "", 422, "no_patches"),
    "h5 wrong dimension": (h5(GOOD[:, :5]), "", 422, "wrong_dimension"),
    "h5 other encoder": (h5(GOOD, encoder="uni_v1"), "", 409, "wrong_encoder"),
    "h5 bomb": (bomb_h5(), "", 413, "too_large"),
    "h5 external link": (external_h5("link"), "", 400, "malformed"),
    "h5 soft link": (external_h5("soft"), "", 400, "malformed"),
    "h5 external storage": (external_h5("storage"), "", 400, "malformed"),
    "json broken": (b'{"features": [[1,', "application/json", 400, "malformed"),
    "json nested": (b'{"features":' + b"[" * 100_000, "application/json", 400, "malformed"),
    "json list": (b"[1, 2]", "application/json", 400, "malformed"),
    "json no features": (b'{"feature": [[1]]}', "application/json", 400, "malformed"),
    "json text": (b'{"features": [["1", "2"]]}', "application/json", 400, "malformed"),
    "json ragged": (b'{"features": [[1, 2], [3]]}', "application/json", 422, "wrong_dimension"),
    "json empty": (b'{"features": []}', "application/json", 422, "no_patches"),
    "json flat": (b'{"features": [1, 2]}', "application/json", 422, "wrong_dimension"),
    "json nan": (json.dumps({"features": NAN.tolist()}).encode(), "application/json", 422, "not_finite"),
    "json huge number": (b'{"features": [[1' + b"0" * 400 + b"]]}", "application/json", 400, "malformed"),
    "json bad text": (b'{"features": "\xff"}', "application/json", 400, "malformed"),
    "form without a file": (b"--edge--\r\n", "multipart/form-data; boundary=edge", 400, "malformed"),
    "form without an edge": (b"abc", "multipart/form-data", 400, "malformed"),
    "form with two files": (*form(("a", b"x"), ("b", b"y")), 400, "malformed"),
    "form with an empty file": (*form(("a", b"")), 400, "malformed"),
    "form cut off": (form(("a", npy(GOOD)))[0][:60], "multipart/form-data; boundary=edge", 400, "malformed"),
    "form of odd text": (
        b'--edge\r\nContent-Disposition: form-data; name="f"\r\n\r\n\xff\xfe\r\n--edge--\r\n',
        "multipart/form-data; boundary=edge",
        400,
        "malformed",
    ),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_an_invalid_request_is_identified_and_the_server_stays_healthy(server, kind):
    body, media_type, wanted, code = REFUSED[kind]
    status, found = server.ask("/predict", body, Content_Type=media_type)
    assert (status, found["error"]["code"]) == (wanted, code), found
    assert found["error"]["message"]
    assert "/tmp" not in json.dumps(found)
    assert server.healthy()


NOT_FEATURES = {
    "svs": (b"II*\0" + b"\0" * 200, "TIFF image", "oceanpath extract"),
    "ndpi": (b"II+\0" + b"\0" * 200, "BigTIFF image", "oceanpath extract"),
    "czi": (b"ZISRAWFILE" + b"\0" * 200, ".czi slide", "oceanpath extract"),
    "dicom": (b"\0" * 128 + b"DICM", "DICOM", "oceanpath extract"),
    "pt": (b"PK\x03\x04" + b"\0" * 50, ".pt file", "numpy.save"),
    "pickle": (b"\x80\x05\x95", "pickle, which is never opened", "numpy.save"),
    "csv": (b"slide_id,label\nS1,R\n", "'slide_id,label\\nS'", ""),
    "bytes": (b"\x01\x02\xfe", "3 bytes that begin with 01 02 fe", ""),
}


@pytest.mark.parametrize("media_type", ["application/x-www-form-urlencoded", "application/octet-stream", "form"])
@pytest.mark.parametrize("kind", NOT_FEATURES)
def test_the_error_states_the_received_and_the_accepted_formats(server, kind, media_type):
    body, arrived, do = NOT_FEATURES[kind]
    if media_type == "form":
        body, media_type = form(("a", body))
    status, found = server.ask("/predict", body, Content_Type=media_type)
    assert (status, found["error"]["code"]) == (415, "unknown_format")
    assert arrived in found["error"]["got"] and do in found["error"].get("do", "")
    assert found["error"]["expected"].startswith("an .h5 or .npy file")
    assert "urlencoded" not in json.dumps(found)


@pytest.mark.parametrize("media_type", ["application/octet-stream", "form"])
def test_the_error_for_a_large_body_states_the_limit(server, media_type):
    body = b"II*\0" + bytes(4 * 2**20)
    if media_type == "form":
        body, media_type = form(("a", body))
    status, found = server.ask("/predict", body, Content_Type=media_type)
    assert (status, found["error"]["code"]) == (413, "too_large")
    assert "at most 4 MiB" in found["error"]["expected"] and "oceanpath extract" in found["error"]["do"]


def test_the_client_can_state_the_encoder(server, bag):
    assert server.ask("/predict?encoder=toy_encoder", npy(bag))[0] == 200
    status, found = server.ask("/predict?encoder=other", npy(bag))
    assert (status, found["error"]["code"]) == (409, "wrong_encoder")
    assert found["error"]["expected"] == "toy_encoder"


@pytest.mark.parametrize(
    ("path", "body", "wanted"), [("/nope", None, 404), ("/predict", None, 405), ("/predict?attention=maybe", b"x", 400)]
)
def test_errors_of_the_framework_are_json_too(server, path, body, wanted):
    status, found = server.ask(path, body)
    assert (status, found["error"]["status"]) == (wanted, wanted)


def test_the_model_returns_its_facts(server, engine):
    status, found = server.ask("/model")
    assert status == 200
    assert found == engine.facts.model_dump(mode="json")


def test_the_page_loads_only_files_of_the_server_and_every_response_has_the_notice(server):
    with urllib.request.urlopen(server.url + "/", timeout=10) as reply:
        page, headers = reply.read().decode(), reply.headers
    assert "research use only" in headers["X-OceanPath-Notice"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "script-src 'self'" in headers["Content-Security-Policy"]
    assert "http://" not in page and "https://" not in page


def test_another_host_name_is_rejected(server):
    status, found = server.ask("/health", Host="evil.example")
    assert (status, found["error"]["code"]) == (421, "wrong_host")
    assert server.ask("/health", Host="localhost:1")[0] == 200


def test_a_slow_body_times_out(server):
    began = time.monotonic()
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as line:
        line.sendall(b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000\r\n\r\n\x93NUMPY")
        answer = line.recv(4096)
    assert b" 408 " in answer.splitlines()[0]
    assert 1.5 < time.monotonic() - began < 10
    assert server.healthy()


def test_an_endless_body_is_rejected(server):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    sent = 0
    try:
        connection.putrequest("POST", "/predict")
        connection.putheader("Transfer-Encoding", "chunked")
        connection.endheaders()
        block = b"10000\r\n" + b"\0" * 65536 + b"\r\n"
        while sent < 256 * 2**20:
            connection.send(block)
            sent += 65536
    except OSError:
        pass
    finally:
        connection.close()
    assert sent < 256 * 2**20
    assert server.healthy()


def test_parallel_requests_get_their_own_predictions(server, engine):
    bags = [np.random.default_rng(i).standard_normal((10 + i, DIM)).astype(np.float32) for i in range(8)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda one: server.ask("/predict", npy(one)), bags))
    for one, (status, answer) in zip(bags, found, strict=True):
        assert status == 200
        assert abs(answer["probabilities"]["R"] - engine.predict(one).probabilities[1]) < 1e-6


def test_too_many_requests_get_429_and_the_others_a_prediction(bundle_path, tmp_path, serving, bag):
    running = serving(bundle_path, tmp_path / "log", max_waiting=1, body_seconds=5.0)
    with socket.create_connection(("127.0.0.1", running.port), timeout=20) as line:
        line.sendall(b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000\r\n\r\n\x93NUMPY")
        time.sleep(0.3)
        status, found = running.ask("/predict", npy(bag))
        assert (status, found["error"]["code"]) == (429, "busy")
    time.sleep(0.3)  # the connection that used the slot is closed
    assert running.ask("/predict", npy(bag))[0] == 200


def test_it_stops_with_exit_code_0_and_prints_its_address(bundle_path, tmp_path, serving):
    running = serving(bundle_path, tmp_path / "log")
    running.process.terminate()
    output, _ = running.process.communicate(timeout=30)
    assert running.process.returncode == 0
    assert f"http://127.0.0.1:{running.port}" in output


def test_a_damaged_bundle_is_not_served(bundle_path, tmp_path, serving):
    for path in bundle_path.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    model = bytearray((tmp_path / ONNX).read_bytes())
    model[len(model) // 2] ^= 1
    (tmp_path / ONNX).write_bytes(model)
    with pytest.raises(AssertionError, match="differs from its digest"):
        serving(tmp_path, tmp_path / "log")


def test_a_taken_port_is_named(bundle_path, server):
    from oceanpath.errors import ExperimentError
    from oceanpath.serving.models import BundleSource
    from oceanpath.serving.server import serve
    from oceanpath.serving.settings import ServeSettings

    with pytest.raises(ExperimentError, match="--port"):
        serve([BundleSource(Path(bundle_path))], ServeSettings(port=server.port), print)
