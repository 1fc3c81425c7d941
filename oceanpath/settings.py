"""Base class of all settings: frozen and strict; each field states whether it is part of an identity.

A field is one of:

    plain               part of the identity: another value gives another result
    runtime(...)   changes speed only: device, workers. Never part of an identity
    shared(...)    the value comes from another table of the experiment: ``data.label``, or ``mmap.cap_grid`` of a stage
    outside(...)   a path, mostly a shared one; its *content* is part of the identity, its location is not
    replaced(...)  an old key that is still accepted, without effect; another key replaces it
    added(...)     part of the identity unless it has its default, which gives the results from before the key existed
"""

from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ConfigDict, Field
from pydantic.fields import FieldInfo


class Settings(BaseModel):
    """Base of all settings: unknown keys are errors, values do not change after validation."""

    # validators are built on first use: a command uses few settings, and must start quickly
    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, protected_namespaces=(), defer_build=True
    )

    @classmethod
    def shared_keys(cls) -> dict[str, str]:
        """Field name → dotted key of the experiment that fills it."""
        marks = {name: _marks(field) for name, field in cls.model_fields.items()}
        return {name: str(mark["shared"]) for name, mark in marks.items() if "shared" in mark}

    @classmethod
    def replaced_keys(cls) -> dict[str, str]:
        """Old key → the dotted key that replaces it."""
        marks = {name: _marks(field) for name, field in cls.model_fields.items()}
        return {name: str(mark["replaced"]) for name, mark in marks.items() if "replaced" in mark}

    @classmethod
    def own_keys(cls) -> list[str]:
        """Names of the keys that a user may write in this table."""
        shared = cls.shared_keys()
        return [name for name in cls.model_fields if name not in shared]

    @classmethod
    def path_keys(cls) -> list[str]:
        """Names of the keys that hold paths, to be resolved against the file that set them."""
        fields = cls.model_fields.items()
        return [name for name, field in fields if Path in (field.annotation, *get_args(field.annotation))]

    @classmethod
    def published_keys(cls) -> dict[str, str]:
        """Name of a key whose value may be an experiment or a fingerprint → ``"stage/file"``."""
        marks = {name: _marks(field) for name, field in cls.model_fields.items()}
        return {name: str(mark["published"]) for name, mark in marks.items() if "published" in mark}

    def keys_not_allowed(self) -> set[str]:
        """Keys that may not be set next to the other values, such as keys of another task."""
        return set()

    def reads_files(self) -> bool:
        """Whether the identity depends on files that are not outside paths."""
        return False

    def identity(self) -> dict[str, Any]:
        """The keys that determine the result, as JSON values, sorted by name."""
        identity: dict[str, Any] = {}
        for name, field in sorted(type(self).model_fields.items()):
            mark = _marks(field)
            if mark.get("runtime") or mark.get("outside"):
                continue
            value = getattr(self, name)
            if mark.get("added") and value == field.default:
                continue
            dumped = self.model_dump(mode="json", include={name}, serialize_as_any=True)[name]
            identity[name] = value.identity() if isinstance(value, Settings) else dumped
        return identity

    def outside_paths(self) -> dict[str, Path]:
        """Field name → path of each outside input that is set; ``name.0``, ``name.1`` … where it has several."""
        marked = [name for name, field in type(self).model_fields.items() if _marks(field).get("outside")]
        paths: dict[str, Path] = {}
        for name in marked:
            value = getattr(self, name)
            each = {f"{name}.{k}": path for k, path in enumerate(value)} if isinstance(value, tuple) else {name: value}
            paths |= {key: path for key, path in each.items() if path is not None}
        return paths


def runtime(default: Any = ..., **checks: Any) -> Any:
    """A key that changes speed or location, never the result."""
    return Field(default, json_schema_extra={"runtime": True}, **checks)


def shared(key: str, default: Any = ..., *, is_runtime: bool = False, is_added: bool = False, **checks: Any) -> Any:
    """A value from another table: ``shared("data.label")``, ``shared("model")``, ``shared("seed")``."""
    return Field(default, json_schema_extra={"shared": key, "runtime": is_runtime, "added": is_added}, **checks)


def outside(key: str = "", default: Any = None, *, published: str = "") -> Any:
    """A path, from another table if `key` names one; a digest of its content is part of the identity.

    `published`, as ``"stage/file"``: instead of a path, the value may be the name of an experiment of the workspace, or
    the beginning of the fingerprint of a result of that stage; ``"stage/"`` is its folder.
    """
    marks = {"shared": key, "published": published}
    return Field(default, json_schema_extra={"outside": True, **{name: mark for name, mark in marks.items() if mark}})


def replaced(key: str, default: Any) -> Any:
    """An old key without effect, which `key` replaces; identities still contain it."""
    return Field(default, json_schema_extra={"replaced": key})


def added(default: Any, **checks: Any) -> Any:
    """A newer key whose default changes nothing, so that earlier results remain valid."""
    return Field(default, json_schema_extra={"added": True}, **checks)


def _marks(field: FieldInfo) -> dict[str, Any]:
    return field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
