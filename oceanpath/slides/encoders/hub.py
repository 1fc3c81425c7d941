"""The Hugging Face hub: what its cache on this machine holds, and downloads whose failures say what to do.

The cache is read by its documented layout, `models--<owner>--<name>/snapshots/<commit>/<file>`, with `refs/<branch>`
holding a commit: that needs neither a network nor the hub's package. Names of owners and models ignore case on the
hub, and other tools spell them otherwise; so does this.
"""

from __future__ import annotations

import os
from pathlib import Path

from oceanpath.errors import MissingExtraError, StageError
from oceanpath.slides.encoders.spec import EncoderSpec, Hub

STANDARD_FILES = ("model.safetensors", "pytorch_model.bin")
SAID = 200
"""Letters of the client's own message that are repeated."""
WITHOUT = "Encoders that need no download: efficientnet_lite0, hed_stats, random_vit_tiny."


def cache_root() -> Path:
    """Where the hub's tools keep what they downloaded: HF_HUB_CACHE, else HF_HOME/hub, else ~/.cache."""
    if direct := os.environ.get("HF_HUB_CACHE"):
        return Path(direct).expanduser()
    if home := os.environ.get("HF_HOME"):
        return Path(home).expanduser() / "hub"
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "huggingface" / "hub"


def cached(hub: Hub, revision: str) -> Path | None:
    """The file of weights at `revision` (a commit, or a branch as it was last seen) in the cache, or None."""
    for folder in _folders(hub):
        ref = folder / "refs" / revision
        commit = ref.read_text().strip() if ref.is_file() else revision
        for name in dict.fromkeys((hub.file, *STANDARD_FILES)):
            if (path := folder / "snapshots" / commit / name).is_file():
                return path
    return None


def commit_of(path: Path) -> str:
    """The commit that a cached file belongs to."""
    return path.parent.name


def download(card: EncoderSpec, revision: str) -> Path:
    """Fetch the weights of `card` at `revision` into the cache, with the token of HF_TOKEN or of ``hf auth login``.

    Raises:
        MissingExtraError: huggingface-hub is not installed.
        StageError: no network, no access, no such revision or file, or no room.
    """
    hub = card.hub
    assert hub is not None
    try:
        from huggingface_hub import constants, errors, hf_hub_download
    except ImportError as error:
        do = f"Install it with: python -m pip install 'oceanpath[encoders]'. {_by_hand(hub)}"
        raise MissingExtraError(
            f"the weights of {card.name} are not on this machine", expected="the package huggingface-hub", do=do
        ) from error
    from oceanpath.slides.encoders.network import why_unreachable  # loads ssl, which costs every command 15 ms

    if not constants.HF_HUB_OFFLINE and (said := why_unreachable(constants.ENDPOINT)):
        raise _unanswered(card, revision, said)
    try:
        return Path(hf_hub_download(hub.repo, hub.file, revision=revision))
    except errors.GatedRepoError as error:
        do = f"Ask for access on the page of {hub.repo} on the Hugging Face hub, then set HF_TOKEN to a token of yours."
        raise _refused(card, revision, "access to the weights must be granted first", do) from error
    except errors.RepositoryNotFoundError as error:
        do = "Set HF_TOKEN: the hub hides repositories from those it does not know."
        raise _refused(card, revision, "the hub shows no such repository", do) from error
    except (errors.RevisionNotFoundError, errors.RemoteEntryNotFoundError) as error:
        raise _refused(card, revision, "the hub has no such revision or file", "Check extract.revision.") from error
    except errors.LocalEntryNotFoundError as error:
        raise _unanswered(card, revision, error.__cause__) from error
    except (errors.HfHubHTTPError, OSError) as error:
        raise _refused(card, revision, "the download failed", "Run again: it goes on where it was.", error) from error


def _unanswered(card: EncoderSpec, revision: str, said: BaseException | str | None) -> StageError:
    assert card.hub is not None
    do = "Is there a network, and HF_HUB_OFFLINE not set?" + _other_commits(card.hub)
    return _refused(card, revision, "the hub does not answer and its cache lacks the weights", do, said)


def _refused(
    card: EncoderSpec, revision: str, what: str, do: str, said: BaseException | str | None = None
) -> StageError:
    hub = card.hub
    assert hub is not None
    wanted, got = f"{hub.file} of {hub.repo} at {revision[:12]}", " ".join(str(said or "").split())[:SAID]
    return StageError(
        what, where=f"encoder {card.name}", expected=wanted, got=got, do=f"{do} {_by_hand(hub)} {WITHOUT}"
    )


def _by_hand(hub: Hub) -> str:
    return f"Or copy {hub.file} of {hub.repo} here from another machine and set extract.weights to it."


def _other_commits(hub: Hub) -> str:
    found = sorted(
        path.name for folder in _folders(hub) for path in folder.glob("snapshots/*") if cached(hub, path.name)
    )
    return f" The cache holds another commit: extract.revision = {found[0]!r} would use it." if found else ""


def _folders(hub: Hub) -> list[Path]:
    name = "models--" + hub.repo.replace("/", "--")
    root = cache_root()
    if not root.is_dir():
        return []
    return [folder for folder in sorted(root.iterdir()) if folder.name.lower() == name.lower()]
