"""What installed packages add: entry points whose import registers something here."""

from __future__ import annotations

from oceanpath.errors import ExperimentError

_LOADED: set[str] = set()


def load_plugins(group: str) -> None:
    """Import every entry point of `group` once a process; each is a light module that registers what it brings.

    Raises: ExperimentError: one of them cannot be loaded.
    """
    from importlib.metadata import entry_points  # reads every installed package: only who asks for it waits

    for point in entry_points(group=group):
        if point.value in _LOADED:
            continue
        try:
            point.load()
        except (ImportError, AttributeError, ValueError) as error:
            do = "Mend or uninstall the package that brings it."
            where = f"{point.value} ({group})"
            raise ExperimentError("a plug-in cannot be loaded", where=where, got=error, do=do) from error
        _LOADED.add(point.value)
