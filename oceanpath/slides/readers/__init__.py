"""Readers of pixels: OpenSlide, or a direct reader for plain TIFF files of JPEG tiles."""
