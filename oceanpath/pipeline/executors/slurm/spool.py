"""Files through which a run and its tasks on other nodes communicate, in the workspace.

    queue/<batch>/script.sh            what sbatch submits; one array task per chunk
    queue/<batch>/chunks.json          the numbers of the items of each chunk
    queue/<batch>/items.pickle         all work items: one file, so that what they share is written once
    queue/<batch>/results/<n>.pickle   its result
    queue/<batch>/events/<chunk>       one line per finished item: its number; touched regularly while the task runs
    queue/jobs/<fingerprint>           the job, chunk, batch and number of an item that was submitted last

Items and results are pickled: they are written and read by the same user and the same installation. A result only
carries what the screen prints; what was computed is published in the workspace by the task itself.
"""

from __future__ import annotations

import json
import pickle
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from oceanpath.pipeline.processes import token
from oceanpath.pipeline.work_items import JobResult, WorkItem

QUEUE = "queue"


@dataclass(frozen=True)
class Ticket:
    """Where a submitted item is found."""

    job: str
    """Id of its job array; "" before the submission."""
    task: int
    """Index of its array task, which is the number of its chunk in the batch."""
    batch: str
    number: int
    """Number of the item in its batch."""


@dataclass(frozen=True)
class Batch:
    """A folder with the items of one submission."""

    folder: Path

    @classmethod
    def create(cls, root: Path, chunks: Sequence[Sequence[WorkItem]]) -> Batch:
        """Write a batch below the workspace `root`; only its owner can read it."""
        batch = cls(root / QUEUE / token())
        for name in ("results", "events", "logs"):
            (batch.folder / name).mkdir(parents=True, mode=0o700)
        numbers, count = list[list[int]](), 0
        for chunk in chunks:
            numbers.append(list(range(count, count + len(chunk))))
            count += len(chunk)
        (batch.folder / "items.pickle").write_bytes(pickle.dumps([item for chunk in chunks for item in chunk]))
        (batch.folder / "chunks.json").write_text(json.dumps(numbers))
        return batch

    @property
    def script(self) -> Path:
        """What sbatch submits."""
        return self.folder / "script.sh"

    def numbers(self, chunk: int) -> list[int]:
        """Numbers of the items of a chunk."""
        found: list[int] = json.loads((self.folder / "chunks.json").read_text())[chunk]
        return found

    def items(self) -> list[WorkItem]:
        """All work items."""
        found: list[WorkItem] = pickle.loads((self.folder / "items.pickle").read_bytes())
        return found

    def events(self, chunk: int) -> Path:
        """The file of a chunk with the numbers of its finished items."""
        return self.folder / "events" / str(chunk)

    def finish(self, chunk: int, number: int, result: JobResult) -> None:
        """Store the result of an item, then announce it."""
        path = self.folder / "results" / f"{number}.pickle"
        new = path.with_suffix(f".{token()}")
        new.write_bytes(pickle.dumps(result))
        new.rename(path)
        with self.events(chunk).open("a") as events:
            events.write(f"{number}\n")

    def result(self, number: int) -> JobResult:
        """The result of a finished item."""
        found: JobResult = pickle.loads((self.folder / "results" / f"{number}.pickle").read_bytes())
        return found


def remember(root: Path, fingerprint: str, ticket: Ticket) -> None:
    """Record where an item was submitted, so that a later run attaches to it."""
    folder = root / QUEUE / "jobs"
    folder.mkdir(parents=True, exist_ok=True)
    new = folder / f".{fingerprint}.{token()}"
    new.write_text(json.dumps(vars(ticket)))
    new.rename(folder / fingerprint)


def recall(root: Path, fingerprint: str) -> Ticket | None:
    """The last submission of an item, if there is one."""
    try:
        return Ticket(**json.loads((root / QUEUE / "jobs" / fingerprint).read_text()))
    except (FileNotFoundError, ValueError, TypeError):
        return None


def forget(root: Path, fingerprint: str) -> None:
    """Remove the record of a submission: its item has ended."""
    (root / QUEUE / "jobs" / fingerprint).unlink(missing_ok=True)


def finished_batches(root: Path) -> list[Path]:
    """Batches below the workspace `root` of which no item is waited for: those with the logs of lost tasks."""
    records = sorted((root / QUEUE / "jobs").glob("[!.]*"))
    waited = {ticket.batch for path in records if (ticket := recall(root, path.name))}
    return sorted(path for path in (root / QUEUE).glob("*") if path.name not in {"jobs", *waited})
