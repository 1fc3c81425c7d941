"""The Hugging Face hub: its cache on this machine, and downloads.

The cache is read by its documented layout, `models--<owner>--<name>/snapshots/<commit>/<file>`, where `refs/<branch>`
contains a commit: this needs neither a network nor the hub's package. Names of owners and models are case-insensitive,
as on the hub.
"""

from __future__ import annotations

import os
from pathlib import Path

from oceanpath.errors import MissingExtraError, StageError
from oceanpath.slides.encoders.spec import EncoderSpec, Hub

STANDARD_FILES = ("model.safetensors", "pytorch_model.bin")
MESSAGE_LENGTH = 200
"""Maximum length of the client's message in an error."""
NO_DOWNLOAD = "Encoders that need no download: efficientnet_lite0, hed_stats, random_vit_tiny."


def cache_root() -> Path:
    """The cache folder of the hub's tools: HF_HUB_CACHE, HF_HOME/hub or ~/.cache, in this order."""
    if direct := os.environ.get("HF_HUB_CACHE"):
        return Path(direct).expanduser()
    if home := os.environ.get("HF_HOME"):
        return Path(home).expanduser() / "hub"
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "huggingface" / "hub"


def cached(hub: Hub, revision: str) -> Path | None:
    """The weights file at `revision` (a commit, or a branch as last downloaded) in the cache, or None."""
    for folder in _folders(hub):
        ref = folder / "refs" / revision
        commit = ref.read_text().strip() if ref.is_file() else revision
        for name in dict.fromkeys((hub.file, *STANDARD_FILES)):
            if (path := folder / "snapshots" / commit / name).is_file():
                return path
    return None


def commit_of(path: Path) -> str:
    """The commit of a cached file."""
    return path.parent.name


def download(spec: EncoderSpec, revision: str) -> Path:
    """Download the weights of `spec` at `revision` into the cache, with the token of HF_TOKEN or of ``hf auth login``.

    Raises:
        MissingExtraError: huggingface-hub is not installed.
        StageError: no network, no access, no such revision or file, or no disk space.
    """
    hub = spec.hub
    assert hub is not None
    try:
        from huggingface_hub import constants, errors, hf_hub_download
    except ImportError as error:
        do = f"Install it with: python -m pip install 'oceanpath[encoders]'. {_by_hand(hub)}"
        raise MissingExtraError(
            f"the weights of {spec.name} are not on this machine", expected="the package huggingface-hub", do=do
        ) from error
    from oceanpath.slides.encoders.network import why_unreachable  # loads ssl, which costs every command 15 ms

    if not constants.HF_HUB_OFFLINE and (reason := why_unreachable(constants.ENDPOINT)):
        raise _unreachable(spec, revision, reason)
    try:
        return Path(hf_hub_download(hub.repo, hub.file, revision=revision))
    except errors.GatedRepoError as error:
        do = f"Request access on the page of {hub.repo} on the Hugging Face hub, then set HF_TOKEN to your token."
        raise _download_error(spec, revision, "access to the weights must be granted first", do) from error
    except errors.RepositoryNotFoundError as error:
        do = "Set HF_TOKEN: some repositories are visible only with a token."
        raise _download_error(spec, revision, "the hub has no such repository, or it is private", do) from error
    except (errors.RevisionNotFoundError, errors.RemoteEntryNotFoundError) as error:
        raise _download_error(
            spec, revision, "the hub has no such revision or file", "Check extract.revision."
        ) from error
    except errors.LocalEntryNotFoundError as error:
        raise _unreachable(spec, revision, error.__cause__) from error
    except (errors.HfHubHTTPError, OSError) as error:
        raise _download_error(
            spec, revision, "the download failed", "Run again: the download resumes.", error
        ) from error


def _unreachable(spec: EncoderSpec, revision: str, reason: BaseException | str | None) -> StageError:
    assert spec.hub is not None
    do = "Check the network and HF_HUB_OFFLINE." + _other_commits(spec.hub)
    return _download_error(spec, revision, "the hub cannot be reached and the weights are not in its cache", do, reason)


def _download_error(
    spec: EncoderSpec, revision: str, what: str, do: str, reason: BaseException | str | None = None
) -> StageError:
    hub = spec.hub
    assert hub is not None
    expected, got = f"{hub.file} of {hub.repo} at {revision[:12]}", " ".join(str(reason or "").split())[:MESSAGE_LENGTH]
    return StageError(
        what, where=f"encoder {spec.name}", expected=expected, got=got, do=f"{do} {_by_hand(hub)} {NO_DOWNLOAD}"
    )


def _by_hand(hub: Hub) -> str:
    return f"Or copy {hub.file} of {hub.repo} from another machine and set extract.weights to the copy."


def _other_commits(hub: Hub) -> str:
    commits = sorted(
        path.name for folder in _folders(hub) for path in folder.glob("snapshots/*") if cached(hub, path.name)
    )
    return f" The cache contains another commit; to use it, set extract.revision = {commits[0]!r}." if commits else ""


def _folders(hub: Hub) -> list[Path]:
    name = "models--" + hub.repo.replace("/", "--")
    root = cache_root()
    if not root.is_dir():
        return []
    return [folder for folder in sorted(root.iterdir()) if folder.name.lower() == name.lower()]
