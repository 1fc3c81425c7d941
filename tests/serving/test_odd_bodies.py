"""Every body is answered with status 200 or 4xx, never with an error of the server."""

from __future__ import annotations

import http.client
import io
import json
import math
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest

from .conftest import DIM, Server, start, stop

ROUNDS = 200
"""Number of bodies per kind, each with its own seed."""
GOOD = np.arange(3 * DIM, dtype=np.float32).reshape(3, DIM)
NUMBERS: tuple[int, ...] = (0, 1, 2, 3, DIM, -1, -3, -DIM, True, False, 2**31, 2**63, 2**64, 10**30, -(2**63))
TEXTS = ("", "3", "\ud800", "\0")
ODD: tuple[object, ...] = (
    *NUMBERS,
    1.5,
    float("inf"),
    float("nan"),
    1e999,
    *TEXTS,
    None,
    [],
    {},
    [[]],
    [None],
    {"a": 1},
)
TYPES = ("<f2", "<f4", ">f8", "|b1", "<i8", "<U3", "|O", "<c8", "<M8[s]", "|V4", "f", "?", "", "x", "<f16", "<f4,<f4")
FORMATS = ("application/octet-stream", "application/json", "", "text/plain", "multipart/form-data; boundary=edge", "é/")

QUERIES = ("", "", "?attention=1&members=1", "?encoder=%ff%00", "?slide_id=%ed%a0%80", "?attention=%ff")

Body = tuple[bytes, str]


def npy_header(draw: random.Random) -> Body:
    """An .npy header with valid Python literals, often meaningless, and the data that it appears to describe."""
    few = (1, 3, DIM, -1, -3, -DIM, True, False, 0)
    shape = tuple(draw.choice(few if draw.random() < 0.9 else NUMBERS) for _ in range(draw.choice((1, 2, 2, 2, 3))))
    kind = draw.choice(("<f2", "<f4", ">f8", draw.choice((*TYPES, [("a", "<f4")]))))
    fields: dict[str, object] = {"descr": kind, "fortran_order": draw.choice((True, False, False, False, 1, None))}
    fields["shape"] = draw.choice((*[shape] * 7, list(shape), draw.choice(ODD)))
    if draw.random() < 0.1:
        fields["more"] = 1
    text = (repr(fields) + "\n").encode("utf-8", "surrogatepass")
    version = draw.choice((1, 1, 1, 2, 3))
    size = len(text).to_bytes(2 if version == 1 else 4, "little")
    size = size if draw.random() < 0.95 else draw.randbytes(len(size))
    item = {"<f2": 2, "<f4": 4, ">f8": 8}.get(str(kind), 4)
    data = bytes(min(abs(math.prod(shape)), 10**4) * item)
    return b"\x93NUMPY" + bytes([version, 0]) + size + text + data, ""


def written(save: Callable[[io.BytesIO], None]) -> bytes:
    buffer = io.BytesIO()
    save(buffer)
    return buffer.getvalue()


def npy_file() -> bytes:
    return written(lambda buffer: np.save(buffer, GOOD))


def h5_file(**sets: object) -> bytes:
    def save(buffer: io.BytesIO) -> None:
        with h5py.File(buffer, "w") as file:
            for name, values in sets.items():
                file[name] = values
            file.attrs["encoder"] = "toy_encoder"

    return written(save)


FILE_PART = b'Content-Disposition: form-data; name="f"; filename="a"'


def form(content: bytes, headers: tuple[bytes, ...] = (FILE_PART,)) -> bytes:
    return b"--edge\r\n" + b"\r\n".join(headers) + b"\r\n\r\n" + content + b"\r\n--edge--\r\n"


def h5_layout(draw: random.Random) -> Body:
    """A complete HDF5 file with arrays of other shapes, dtypes and names than in a feature file."""
    names = draw.sample(("features", "feats", "coords", "annots", "x"), draw.randrange(1, 4))
    arrays = {}
    for name in names:
        shape = tuple(draw.choice((0, 1, 2, 3, DIM)) for _ in range(draw.randrange(4)))
        kind = draw.choice(("f2", "f4", "f8", "i8", "u1", "?", "c8", "S3"))
        arrays[name] = np.ones(shape, kind)
    return h5_file(**arrays), ""


def damaged(whole: bytes, draw: random.Random) -> bytes:
    """The same bytes with up to six changed, and possibly truncated or extended."""
    body = bytearray(whole)
    for _ in range(draw.randrange(1, 7)):
        body[draw.randrange(min(len(body), 300))] = draw.randrange(256)
    return bytes(body[: draw.choice((None, None, draw.randrange(len(body))))]) + b"x" * draw.choice((0, 0, 1))


def json_value(draw: random.Random) -> Body:
    text = draw.choice(("", "toy_encoder", "\ud800", "\0", "é" * 999))
    usual = {"features": GOOD.tolist(), "encoder": text, "coords": [[0, 0], [0, 1], [1, 0]], "slide_id": text}
    fields: dict[str, object] = {name: value for name, value in usual.items() if draw.random() < 0.4}
    fields |= {name: draw.choice(ODD) for name in usual if draw.random() < 0.1}
    if draw.random() < 0.6:
        rows: list[object] = [
            [draw.choice((0, 1.5, *NUMBERS)) for _ in range(DIM)] for _ in range(draw.randrange(1, 3))
        ]
        fields["features"] = draw.choice((GOOD.tolist(), GOOD.tolist(), rows, [*rows, draw.choice(ODD)]))
    return json.dumps(fields).encode(), draw.choice(("application/json", "", "application/json; charset=x"))


def form_part(draw: random.Random) -> Body:
    lines = (
        FILE_PART,
        b'Content-Disposition: form-data; name="f"',
        b"Content-Disposition: form-data",
        b'Content-Disposition: attachment; filename="a"',
        b"Content-Disposition: form-data; name*=utf-8''%ff; filename*=x''%e2%82",
        b'Content-Disposition: form-data; name="\xff"; filename="\xfe\r"',
        b"Content-Type: text/plain; charset=none-such",
        b"Content-Type: \xff/\xfe",
        b"Content-Transfer-Encoding: base64",
        b"no colon",
        b": no name",
    )
    content = draw.choice((npy_file(), b"", b"\xff\xfe", h5_file(features=GOOD)))
    return form(content, tuple(draw.sample(lines, draw.randrange(4)))), FORMATS[4]


def form_with_coords(draw: random.Random) -> Body:
    """A form of features and of coordinates that may be anything."""
    coords = draw.choice(
        (npy_header(draw)[0], written(lambda file: np.save(file, odd_coords(draw))), any_bytes(draw)[0])
    )
    part = b'--edge\r\nContent-Disposition: form-data; name="coords"; filename="c"\r\n\r\n' + coords + b"\r\n"
    return part + form(draw.choice((npy_file(), h5_file(features=GOOD)))), FORMATS[4]


def odd_coords(draw: random.Random) -> np.ndarray:
    shape = (draw.choice((0, 1, 3, 3)), draw.choice((1, 2, 2, 3)))
    return np.full(shape, draw.choice((0, -1, 2**31, 2**62, 1.5, -0.0, float("nan"), float("inf"), 1e300)))


def any_bytes(draw: random.Random) -> Body:
    start = draw.choice(
        (b"", b"{", b"\x93NUMPY", b"\x89HDF\r\n\x1a\n", b"II*\0", b"PK\x03\x04", b"\x80\x04", b"--edge\r\n")
    )
    return start + draw.randbytes(draw.randrange(200)), draw.choice(FORMATS)


KINDS: dict[str, Callable[[random.Random], Body]] = {
    "npy header": npy_header,
    "npy damaged": lambda draw: (damaged(npy_file(), draw), ""),
    "h5 layout": h5_layout,
    "h5 damaged": lambda draw: (damaged(h5_file(features=GOOD, coords=np.zeros((3, 2), np.int32)), draw), ""),
    "json value": json_value,
    "json damaged": lambda draw: (damaged(json.dumps({"features": GOOD.tolist()}).encode(), draw), FORMATS[1]),
    "form part": form_part,
    "form with coords": form_with_coords,
    "form damaged": lambda draw: (damaged(form(npy_file()), draw), FORMATS[4]),
    "any bytes": any_bytes,
}


def send(server: Server, body: bytes, media_type: str, query: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    try:
        headers = {"Content-Type": media_type.encode()} if media_type else {}
        connection.request("POST", f"/predict{query}", body, headers)
        reply = connection.getresponse()
        return reply.status, reply.read()
    finally:
        connection.close()


@pytest.fixture(scope="module")
def reader_of_coords(coords_bundle_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose model reads coordinates."""
    log = tmp_path_factory.mktemp("server") / "log"
    running = start(coords_bundle_path, log, max_body_mib=4, max_patches=5000)
    yield running
    stop(running)
    assert "Traceback" not in log.read_text()


def failures(server: Server, kind: str) -> dict[int, tuple[int, bytes]]:
    """Seed → status and response, for bodies of a kind for which the server failed."""
    failed = {}
    for seed in range(ROUNDS):
        draw = random.Random(f"{kind} {seed}")
        body, media_type = KINDS[kind](draw)
        query = draw.choice(
            ("", "", "?attention=1&members=1", "?encoder=%ff%00", "?slide_id=%ed%a0%80", "?attention=%ff")
        )
        status, answer = send(server, body, media_type, query)
        if status >= 500 or (status != 200 and "error" not in json.loads(answer)):
            failed[seed] = (status, answer[:200])
    assert server.healthy()
    return failed


@pytest.mark.parametrize("kind", KINDS)
def test_no_body_makes_the_server_fail(server: Server, kind: str) -> None:
    assert not failures(server, kind)


@pytest.mark.parametrize("kind", ["h5 layout", "h5 damaged", "json value", "form with coords"])
def test_no_body_makes_a_server_that_reads_coordinates_fail(reader_of_coords: Server, kind: str) -> None:
    assert not failures(reader_of_coords, kind)
