"""A store whose features are in object storage; its index and coordinates are local.

    remote.json   {"address": "s3://bucket/cohort", "objects": {"features_000.bin": {"size": …, "etag": …}}}

A bag is fetched by one request at its first use, into a cache folder with the files of the store: files of the same
size, in which only the fetched bags take space, and `fetched`, one byte per slide, 1 for a bag that is complete. All
processes of a machine share the folder. `OCEANPATH_CACHE` names its parent, best on a local disk.
"""

from __future__ import annotations

import json
import os
from collections import deque
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from threading import RLock

import numpy as np
import xxhash

from oceanpath.artifacts.object_storage import ObjectFolder, StoredObject
from oceanpath.artifacts.store.index import Index, chunk_name
from oceanpath.errors import ArtifactError, ExperimentError, StageError

REMOTE = "remote.json"
VARIABLE = "OCEANPATH_CACHE"
IN_FLIGHT = 16
"""Maximum number of requests at the same time."""
FETCHED = "fetched"


def cache_folder() -> Path:
    """The folder of `OCEANPATH_CACHE`. Raises: ExperimentError: the variable is not set."""
    if not (name := os.environ.get(VARIABLE)):
        do = f"Set it to a folder on a local disk with free space for the features: export {VARIABLE}=/scratch/cache"
        raise ExperimentError(f"features in object storage need {VARIABLE}", do=do)
    return Path(name)


def write_remote(path: Path, address: str, objects: dict[str, StoredObject]) -> None:
    """Write remote.json below `path`: the address of the store, and its files of features."""
    content = {"address": address, "objects": {name: each._asdict() for name, each in sorted(objects.items())}}
    (path / REMOTE).write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def is_remote(path: Path) -> bool:
    """Whether the features of the store below `path` are in object storage."""
    return (path / REMOTE).is_file()


class RemoteFeatures:
    """The features of a remote store: `fetch` waits for a bag, `expect` fetches bags in advance."""

    def __init__(self, path: Path, index: Index, bag_bytes: int) -> None:
        """`bag_bytes` is the number of bytes per patch.

        Raises: ArtifactError: remote.json cannot be read. ExperimentError: there is no cache folder, or there are no
        credentials. MissingExtraError: obstore is not installed. StageError: the cache folder cannot be written.
        """
        address, self._objects, digest = _read_remote(path)
        self._index, self._row = index, bag_bytes
        self.folder = cache_folder() / digest
        """The files of this store in the cache; another version of the store has another folder."""
        self._source = ObjectFolder(address)
        self._fetched = _create_files(self.folder, self._objects, len(index.slide_ids))
        self._threads = ThreadPoolExecutor(IN_FLIGHT, thread_name_prefix="fetch")
        self._lock, self._process = RLock(), os.getpid()
        self._waiting = deque[int]()
        self._futures: dict[int, Future[None]] = {}
        """Bags that are being fetched, and failed ones until the error was raised."""

    def fetch(self, i: int) -> Path:
        """The cache folder, once it contains the features of slide `i`. Raises: as `ObjectFolder.read`; StageError."""
        if not self._fetched[i]:
            try:
                self._start(i).result()
            finally:
                self._futures.pop(i, None)
        return self.folder

    def expect(self, numbers: Iterable[int]) -> None:
        """Fetch these slides in advance, in this order, with at most `IN_FLIGHT` requests at the same time."""
        with self._lock:
            self._waiting += numbers
            self._fill()

    def _fill(self) -> None:
        with self._lock:
            while self._waiting and len(self._futures) < IN_FLIGHT:
                if not self._fetched[i := self._waiting.popleft()]:
                    self._start(i)

    def _start(self, i: int) -> Future[None]:
        if os.getpid() != self._process:
            do = 'Start worker processes by "spawn", such as DataLoader(..., multiprocessing_context="spawn").'
            raise StageError("a forked process cannot fetch features", where=self.folder, do=do)
        with self._lock:
            if i not in self._futures:
                self._futures[i] = self._threads.submit(self._copy, i)
                self._futures[i].add_done_callback(lambda future: self._end(i, future))
            return self._futures[i]

    def _end(self, i: int, future: Future[None]) -> None:
        with self._lock:
            if future.exception() is None:
                self._futures.pop(i, None)
            self._fill()

    def _copy(self, i: int) -> None:
        if self._fetched[i]:  # by another process
            return
        name = chunk_name("features", int(self._index.chunk_ids[i]))
        start, size = int(self._index.feature_offsets[i]), int(self._index.lengths[i]) * self._row
        content = self._source.read(name, start, size, self._objects[name].etag)
        try:
            with (self.folder / name).open("r+b") as file:
                file.seek(start)
                file.write(content)
        except OSError as error:
            raise _full_cache(self.folder, error) from error
        self._fetched[i] = 1


def _read_remote(path: Path) -> tuple[str, dict[str, StoredObject], str]:
    """Address, objects, and a digest of both."""
    try:
        text = (path / REMOTE).read_text(encoding="utf-8")
        content = json.loads(text)
        objects = {name: StoredObject(int(each["size"]), each["etag"]) for name, each in content["objects"].items()}
        return content["address"], objects, xxhash.xxh3_128_hexdigest(text.encode())
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ArtifactError("cannot be read", where=path / REMOTE, got=error) from error


def _create_files(folder: Path, objects: dict[str, StoredObject], slides: int) -> np.memmap:
    """Create the files of a cache without content, unless they exist; returns `fetched`, mapped for writing."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for name, size in {FETCHED: slides, **{name: each.size for name, each in objects.items()}}.items():
            with (folder / name).open("ab") as file:
                file.truncate(size)
        return np.memmap(folder / FETCHED, dtype=np.uint8, mode="r+")
    except OSError as error:
        raise _full_cache(folder, error) from error


def _full_cache(folder: Path, error: OSError) -> StageError:
    do = f"Free disk space, or set {VARIABLE} to another folder."
    return StageError("the cache of features cannot be written", where=folder, got=error.strerror, do=do)
