"""The served models by name and version. They are replaced as a whole when their bundles are reloaded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from oceanpath.artifacts.bundle.facts import ModelFacts
from oceanpath.artifacts.bundle.folder import read_bundle, read_model_facts
from oceanpath.errors import ExperimentError, shorten_list
from oceanpath.serving.contract import require_single_slides
from oceanpath.serving.engines import open_bundle
from oceanpath.serving.errors import UnknownModelError
from oceanpath.serving.slide_engine import AnyEngine

VERSION_LENGTH = 12


@dataclass(frozen=True)
class BundleSource:
    """A bundle to serve."""

    path: Path
    name: str = ""
    """The name of the model in requests; default: the name in the bundle."""


def parse_source(text: str) -> BundleSource:
    """The bundle that `text` states: FOLDER or NAME=FOLDER."""
    name, separator, path = text.partition("=")
    if not separator or Path(text).exists():
        return BundleSource(Path(text))
    return BundleSource(Path(path), name)


class Model:
    """One served model. No dataclass, whose fields Litestar would convert."""

    def __init__(self, name: str, engine: AnyEngine, card: str = "", source: BundleSource | None = None) -> None:
        """A model with the text of its MODEL_CARD.md, and its bundle; None for a model that is not reloaded."""
        self.name, self.engine, self.card, self.source = name, engine, card, source

    @property
    def facts(self) -> ModelFacts:
        """The contents of bundle.json."""
        facts: ModelFacts = self.engine.facts
        return facts

    @property
    def version(self) -> str:
        """The first characters of the seal of the bundle: every changed byte of a bundle gives another version."""
        return self.facts.seal[:VERSION_LENGTH]


class Models:
    """All served models; the first one answers requests that name none. Thread-safe."""

    def __init__(self, models: Iterable[Model], threads: int | None = None) -> None:
        """`threads` of one inference, for models that are reloaded.

        Raises: ExperimentError: two models have the same name and version, or a name cannot be part of an address.
        """
        self._models, self._threads, self._reloading = _checked(models), threads, Lock()

    @classmethod
    def open(cls, sources: Iterable[BundleSource], threads: int | None = None) -> Models:
        """Verify and load all bundles.

        Raises: ArtifactError: a bundle is damaged, or its model cannot be run. ExperimentError: as `Models`, or a model
            predicts patients.
        """
        return cls([_open(source, threads) for source in sources], threads)

    @classmethod
    def of(cls, engine: AnyEngine) -> Models:
        """One loaded model, with the name in its bundle."""
        return cls([Model(engine.facts.name, engine)])

    def __iter__(self) -> Iterator[Model]:
        return iter(self._models)

    def get(self, name: str = "", version: str = "") -> Model:
        """The model with this name and version; without them the first one.

        Raises: UnknownModelError: there is none.
        """
        models = self._models
        for model in models:
            if name in ("", model.name) and version in ("", model.version):
                return model
        served = shorten_list(f"{model.name} ({model.version})" for model in models)
        got = f"{name} ({version})" if version else name
        raise UnknownModelError("no such model is served", expected=served, got=got, do="GET /models lists all models.")

    def reload(self) -> list[str]:
        """Open the bundles that changed, and replace all models at once. Current requests complete with earlier ones.

        Returns: one line per model that changed.

        Raises: ArtifactError, ExperimentError: a bundle is damaged, or its name is already used; nothing is replaced.
        """
        with self._reloading:
            earlier = self._models
            self._models = _checked(_current(model, self._threads) for model in earlier)
            pairs = zip(earlier, self._models, strict=True)
            return [f"{new.name}: version {old.version} → {new.version}" for old, new in pairs if new is not old]


def _open(source: BundleSource, threads: int | None) -> Model:
    bundle = read_bundle(source.path)
    require_single_slides(bundle.facts.contract, source.path)
    return Model(source.name or bundle.facts.name, open_bundle(bundle, threads), bundle.card, source)


def _current(model: Model, threads: int | None) -> Model:
    """The model as its bundle is now."""
    if model.source is None or read_model_facts(model.source.path).seal == model.facts.seal:
        return model
    return _open(model.source, threads)


def _checked(models: Iterable[Model]) -> tuple[Model, ...]:
    """The models, with different names that can be part of an address."""
    do = "Name the bundles: `oceanpath serve NAME=FOLDER`."
    checked = tuple(models)
    for (name, version), count in Counter((model.name, model.version) for model in checked).items():
        if count > 1:
            raise ExperimentError("one bundle is served twice", where=name, got=f"version {version}", do=do)
        if not name or "/" in name:
            raise ExperimentError("the name of a model cannot be part of an address", got=repr(name), do=do)
    return checked
