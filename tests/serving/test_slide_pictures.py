"""Pictures of the slides in a configured folder: patches, tiles and what is refused."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from litestar.testing import TestClient
from PIL import Image

from oceanpath.errors import ExperimentError
from oceanpath.serving import slide_images, slide_pictures
from oceanpath.serving.app import create_app
from oceanpath.serving.engine import Engine
from oceanpath.serving.models import Models
from oceanpath.serving.settings import ServeSettings
from oceanpath.serving.slide_images import SlideImages
from oceanpath.slides.picture import read_picture

from ..slides.marked import edges_of, write_marked
from ..slides.scn import write_scn

SIZE, SQUARE = (1600, 1200), (600, 400, 856, 656)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Slides: one with a mark, the same below a folder without resolution, one with oblong pixels, a damaged one."""
    path = tmp_path_factory.mktemp("slides")
    write_marked(path / "marked.v1.svs", SIZE, SQUARE)
    (path / "below").mkdir()
    with tifffile.TiffWriter(path / "below" / "unknown.tiff") as tiff:
        tiff.write(np.full((512, 640, 3), 90, np.uint8), tile=(256, 256), photometric="rgb", metadata=None)
    oblong = np.full((640, 640, 3), 220, np.uint8)
    write_scn(path / "oblong.scn", oblong, (0, 0), (0.25, 0.5))
    (path / "damaged.svs").write_bytes((path / "marked.v1.svs").read_bytes()[:900])
    (path / "notes.txt").write_text("no slide")
    return path


@pytest.fixture(scope="module")
def client(engine: Engine, folder: Path) -> Iterator[TestClient[Any]]:
    with TestClient(create_app(Models.of(engine), ServeSettings(slides=folder)), base_url="http://127.0.0.1") as found:
        yield found


def picture(answer: Any) -> np.ndarray:
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/jpeg"), answer.text
    return np.asarray(Image.open(io.BytesIO(answer.content)).convert("RGB"))


def test_slides_are_listed_by_their_stems(client):
    assert client.get("/slides").json()["images"] == ["damaged", "marked.v1", "oblong", "unknown"]


def test_the_facts_of_a_slide(client):
    assert client.get("/slides/marked.v1/image").json() == {
        "slide_id": "marked.v1",
        "width": 1600,
        "height": 1200,
        "mpp": [0.5, 0.5],
        "tile_px": 510,
        "overlap_px": 1,
        "min_level": 0,
        "max_level": 11,
    }
    assert client.get("/slides/unknown/image").json()["mpp"] is None
    assert client.get("/slides/oblong/image").json()["mpp"] == pytest.approx([0.25, 0.5])


@pytest.mark.parametrize(
    ("side", "size", "wanted"), [(256, 256, 256), (256, 64, 64), (100, 256, 100), (512.5, 256, 256)]
)
def test_a_patch_has_the_rectangle_and_size_of_the_request(client, side, size, wanted):
    rgb = picture(client.get(f"/slides/marked.v1/patch?x=500&y=300&side={side}&size={size}"))
    assert rgb.shape == (wanted, wanted, 3)
    if side == 512.5:
        expected = [(at - start) * wanted / side for at, start in zip(SQUARE, (500, 300) * 2, strict=True)]
        assert edges_of(rgb) == pytest.approx(expected, abs=0.5)


def test_a_patch_of_oblong_pixels_has_as_many_micrometres_in_both_directions(client, folder, monkeypatch):
    boxes = []

    def watched(reader, box, *size):
        boxes.append(box)
        return read_picture(reader, box, *size)

    monkeypatch.setattr(slide_pictures, "read_picture", watched)
    assert picture(client.get("/slides/oblong/patch?x=64&y=32&side=128")).shape == (128, 128, 3)
    assert boxes[0] == pytest.approx((64, 32, 128, 64))


def test_a_tile_shows_its_part_of_the_slide(client):
    assert '<Size Width="1600" Height="1200"/>' in client.get("/slides/marked.v1/image.dzi").text
    rgb = picture(client.get("/slides/marked.v1/image_files/10/0_0.jpeg"))
    assert rgb.shape == (511, 511, 3)
    assert edges_of(rgb) == pytest.approx([at / 2 for at in SQUARE], abs=0.5)


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("nope/image", 404, "unknown_slide"),
        ("nope/image.dzi", 404, "unknown_slide"),
        ("marked.v1.svs/image", 404, "unknown_slide"),
        ("MARKED.V1/image", 404, "unknown_slide"),
        ("notes/image", 404, "unknown_slide"),
        ("below%2Funknown/image", 404, "not_found"),
        ("..%2f..%2fetc%2fpasswd/image", 404, "not_found"),
        ("..%5Cmarked.v1/image", 400, "malformed"),
        ("%2e%2e%2e/image", 400, "malformed"),
        ("a%00/image", 400, "malformed"),
        ("damaged/image", 422, "bad_slide"),
        ("damaged/patch?x=0&y=0&side=10", 422, "bad_slide"),
        ("marked.v1/patch?x=0&y=0", 400, "malformed"),
        ("marked.v1/patch?x=-1&y=0&side=64", 400, "malformed"),
        ("marked.v1/patch?x=1600&y=0&side=64", 400, "malformed"),
        ("marked.v1/patch?x=0&y=99999999999999999999&side=64", 400, "malformed"),
        ("marked.v1/patch?x=0&y=0&side=0", 400, "malformed"),
        ("marked.v1/patch?x=0&y=0&side=nan", 400, "malformed"),
        ("marked.v1/patch?x=0&y=0&side=inf", 400, "malformed"),
        ("marked.v1/patch?x=0&y=0&side=1e300", 400, "malformed"),
        ("marked.v1/patch?x=0&y=0&side=64&size=5000", 400, "malformed"),
        ("marked.v1/patch?x=0&y=0&side=60000&size=16", 200, ""),
        ("marked.v1/patch?x=a&y=0&side=64", 400, "malformed"),
        ("marked.v1/image_files/10/2_0.jpeg", 404, "unknown_tile"),
        ("marked.v1/image_files/12/0_0.jpeg", 404, "unknown_tile"),
        ("marked.v1/image_files/-1/0_0.jpeg", 404, "unknown_tile"),
        ("marked.v1/image_files/99999999999999999999/0_0.jpeg", 404, "unknown_tile"),
        ("marked.v1/image_files/10/0_0.png", 404, "unknown_tile"),
        ("marked.v1/image_files/10/-1_0.jpeg", 404, "unknown_tile"),
        ("marked.v1/image_files/10/..%2f0_0.jpeg", 404, "not_found"),
    ],
)
def test_what_cannot_be_shown_has_a_reason_without_a_path(client, folder, path, status, code):
    answer = client.get("/slides/" + path)
    assert answer.status_code == status, answer.text
    assert status == 200 or answer.json()["error"]["code"] == code, answer.text
    assert str(folder) not in answer.text and "/tmp" not in answer.text


def test_without_a_folder_the_reason_names_the_option(engine):
    with TestClient(create_app(Models.of(engine), ServeSettings()), base_url="http://127.0.0.1") as client:
        assert client.get("/slides").json() == {"slides": [], "images": []}
        answer = client.get("/slides/a/image")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "unknown_slide")
    assert "--slides" in answer.json()["error"]["do"]


def test_pictures_need_the_key_too(engine, folder):
    settings = ServeSettings(slides=folder, keys=("0123456789abcdef",))
    with TestClient(create_app(Models.of(engine), settings), base_url="http://127.0.0.1") as client:
        for path in ("image", "image.dzi", "image_files/8/0_0.jpeg", "patch?x=0&y=0&side=64"):
            assert client.get(f"/slides/marked.v1/{path}").status_code == 401
            assert client.get(f"/slides/marked.v1/{path}", headers={"X-API-Key": "0123456789abcdef"}).status_code == 200


def test_a_picture_of_too_many_pixels_is_refused(client, monkeypatch):
    monkeypatch.setattr("oceanpath.slides.picture.MOST_PIXELS", 100)
    answer = client.get("/slides/marked.v1/patch?x=0&y=0&side=64")
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_large")


def test_requests_above_the_number_of_slots_receive_429(engine, folder, monkeypatch):
    monkeypatch.setattr(slide_pictures, "SLOTS", 0)
    with TestClient(create_app(Models.of(engine), ServeSettings(slides=folder)), base_url="http://127.0.0.1") as client:
        answer = client.get("/slides/marked.v1/image")
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")


@pytest.mark.parametrize(("names", "what"), [([], "no slides"), (["a.svs", "b/a.tiff"], "same id")])
def test_a_wrong_folder_is_refused_before_the_server_starts(tmp_path, names, what):
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    with pytest.raises(ExperimentError, match=what):
        SlideImages.open(tmp_path)
    with pytest.raises(ExperimentError, match="cannot be read"):
        SlideImages.open(tmp_path / "missing")


def test_few_slides_stay_open_and_those_in_use_are_not_closed(tmp_path, monkeypatch):
    monkeypatch.setattr(slide_images, "MOST_OPEN", 2)
    for name in "abcd":
        write_marked(tmp_path / f"{name}.svs", (300, 300), (10, 10, 20, 20))
    images = SlideImages.open(tmp_path)
    with images.reader("a") as first:
        for name in "bcd":
            with images.reader(name):
                pass
        assert first.read(0, 0, 0, 8, 8).shape == (8, 8, 3)
        with images.reader("a") as again:
            assert again is first
        with images.reader("d") as kept:
            pass
        with images.reader("d") as same:
            assert same is kept
    with images.reader("b") as reopened:
        assert reopened.width == 300
    images.close()
