"""Unsupported formats, identified by their first bytes for the error message."""

from __future__ import annotations

SLIDE = "Extract the features of its patches first: `oceanpath extract --slides DIR --encoder NAME --out DIR`."
SAVE = "Save the array as .npy: numpy.save(file, features.astype('float32'))."
SIGNATURES: tuple[tuple[int, bytes, str, str], ...] = (
    (0, b"II*\0", "a TIFF image, such as an .svs, .tif or .scn slide", SLIDE),
    (0, b"MM\0*", "a TIFF image, such as an .svs, .tif or .scn slide", SLIDE),
    (0, b"II+\0", "a BigTIFF image, such as an .svs, .tif or .ndpi slide", SLIDE),
    (0, b"MM\0+", "a BigTIFF image, such as an .svs, .tif or .ndpi slide", SLIDE),
    (0, b"ZISRAWFILE", "a .czi slide", SLIDE),
    (128, b"DICM", "a DICOM file", SLIDE),
    (0, b"\xff\xd8\xff", "a JPEG image", SLIDE),
    (0, b"\x89PNG", "a PNG image", SLIDE),
    (0, b"PK\x03\x04", "a zip archive, such as an .npz or .pt file", SAVE),
    (0, b"\x80\x02", "a Python pickle, which is never opened", SAVE),
    (0, b"\x80\x03", "a Python pickle, which is never opened", SAVE),
    (0, b"\x80\x04", "a Python pickle, which is never opened", SAVE),
    (0, b"\x80\x05", "a Python pickle, which is never opened", SAVE),
    (0, b"PAR1", "a parquet table", SAVE),
    (0, b"\x1f\x8b", "a gzip archive", "Decompress it first."),
    (0, b"%PDF", "a PDF document", ""),
)
"""(offset, bytes, name of the format, remedy)."""
BLANKS = str.maketrans("\t\n\r", "   ")
SHOWN = 16
"""Number of bytes or characters of an unknown body in the message."""


def identify(body: bytes | bytearray) -> tuple[str, str]:
    """The format of `body`, and a remedy or ""."""
    for offset, signature, kind, do in SIGNATURES:
        if body.startswith(signature, offset):
            return kind, do
    begin = bytes(body[:SHOWN])
    text = begin.decode("latin-1")
    if text.isascii() and text.translate(BLANKS).isprintable():
        return f"text that begins with {text!r}", ""
    return f"{len(body)} bytes that begin with {begin.hex(' ')}", ""
