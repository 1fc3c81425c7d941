"""Handlers about the pixels of slides in the configured folder."""

from __future__ import annotations

from typing import Annotated

from litestar import get
from litestar.datastructures import State
from litestar.params import FromPath, Parameter

from oceanpath.serving.openapi import problem_responses
from oceanpath.serving.responses import SlideImage
from oceanpath.serving.slide_pictures import PatchOfSlide, Pictures

PROBLEMS = problem_responses(400, 401, 404, 413, 422, 429, 503)
JPEG = "image/jpeg"
LARGEST_SIDE, LARGEST_SIZE = 65_536.0, 1_024

Corner = Annotated[int, Parameter(ge=0, description="Left or top edge of the patch in level-0 pixels.")]
Side = Annotated[float, Parameter(gt=0, le=LARGEST_SIDE, description="Width of the patch in level-0 pixels.")]
Size = Annotated[int, Parameter(ge=16, le=LARGEST_SIZE, description="Largest width of the picture in pixels.")]


@get("/slides/{slide_id:str}/image", responses=PROBLEMS)
async def image(state: State, slide_id: FromPath[str]) -> SlideImage:
    """Size and resolution of a slide."""
    return await _pictures(state).image(slide_id)


@get("/slides/{slide_id:str}/image.dzi", media_type="application/xml", responses=PROBLEMS)
async def descriptor(state: State, slide_id: FromPath[str]) -> str:
    """The descriptor of the slide as a Deep Zoom image."""
    return await _pictures(state).descriptor(slide_id)


@get("/slides/{slide_id:str}/image_files/{level:int}/{tile:str}", media_type=JPEG, responses=PROBLEMS)
async def tile(state: State, slide_id: FromPath[str], level: FromPath[int], tile: FromPath[str]) -> bytes:
    """A tile of the Deep Zoom image; its name is COLUMN_ROW.jpeg."""
    return await _pictures(state).tile(slide_id, level, tile)


@get("/slides/{slide_id:str}/patch", media_type=JPEG, responses=PROBLEMS)
async def patch(state: State, slide_id: FromPath[str], x: Corner, y: Corner, side: Side, size: Size = 256) -> bytes:
    """A square patch of the slide as JPEG, never enlarged; its height has as many micrometres as its width."""
    return await _pictures(state).patch(slide_id, PatchOfSlide(x, y, side, size))


def _pictures(state: State) -> Pictures:
    pictures: Pictures = state["pictures"]
    return pictures


OF_SLIDES = (image, descriptor, tile, patch)
