"""What is sent is received, whatever it is; what is cut off or nonsense is an error."""

from __future__ import annotations

import io
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oceanpath.slides.readers.vendor.messages import packed, received

VALUES = st.one_of(st.integers(), st.text(), st.floats(allow_nan=False), st.lists(st.integers()))


@settings(deadline=None, max_examples=50)
@given(messages=st.lists(st.tuples(st.dictionaries(st.text(), VALUES), st.binary()), max_size=3))
def test_messages_arrive_in_order(messages: list[tuple[dict, bytes]]) -> None:
    stream = io.BytesIO(b"".join(piece for header, payload in messages for piece in packed(header, payload)))
    assert [received(stream.read) for _ in messages] == messages
    assert not stream.read()


@pytest.mark.parametrize("header", [b"12", b"[]", b"{", b"\xff"])
def test_a_header_that_is_no_object(header: bytes) -> None:
    stream = io.BytesIO(struct.pack("<II", len(header), 0) + header)
    with pytest.raises(ValueError):
        received(stream.read)
