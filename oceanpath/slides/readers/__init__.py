"""How pixels come off the disk: through OpenSlide, or tile by tile where a file is a plain TIFF of JPEG tiles."""
