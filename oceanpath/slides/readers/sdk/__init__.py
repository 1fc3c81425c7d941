"""Slide formats that OpenSlide does not read, through the SDKs of their vendors, each in its own process."""
