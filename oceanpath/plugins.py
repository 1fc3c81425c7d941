"""Plug-ins: entry points of installed packages whose import registers something in OceanPath."""

from __future__ import annotations

from oceanpath.errors import ExperimentError

_LOADED: set[str] = set()


def loaded_plugins() -> list[str]:
    """The plug-ins that this process has imported, sorted."""
    return sorted(_LOADED)


def load_plugins(group: str) -> None:
    """Import every entry point of `group` once per process; each is a light module that registers its additions.

    Raises: ExperimentError: one of them cannot be loaded.
    """
    from importlib.metadata import entry_points  # slow: reads the metadata of every installed package

    for point in entry_points(group=group):
        if point.value in _LOADED:
            continue
        try:
            point.load()
        except (ImportError, AttributeError, ValueError) as error:
            do = "Repair or uninstall its package."
            where = f"{point.value} ({group})"
            raise ExperimentError("a plug-in cannot be loaded", where=where, got=error, do=do) from error
        _LOADED.add(point.value)
