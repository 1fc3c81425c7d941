"""Bundles and pretrained weights in repositories of the Hugging Face hub, or of the server that HF_ENDPOINT names.

A repository contains the files of one bundle, with the model card as README.md too, or aggregator.safetensors. Digests
are compared before an upload and after a download. The token is that of HF_TOKEN or of ``hf auth login``.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from oceanpath.artifacts.bundle.folder import CARD, FACTS, NEEDED, OPTIONAL, read_bundle
from oceanpath.artifacts.pretrained import WEIGHTS, read_facts
from oceanpath.errors import ArtifactError, ExperimentError, MissingExtraError, StageError

if TYPE_CHECKING:
    from huggingface_hub import HfApi

ADDRESS = re.compile(r"hf://([\w.-]+/[\w.-]+)(?:@([\w./-]+))?")
README = "README.md"
MESSAGE = 200
"""Maximum length of the client's message in an error."""


class Address(NamedTuple):
    """A repository, and one of its revisions."""

    repo: str
    revision: str

    def __str__(self) -> str:
        return f"hf://{self.repo}@{self.revision}"


def parse_address(text: str) -> Address:
    """``hf://OWNER/NAME`` or ``hf://OWNER/NAME@REVISION``. Raises: ExperimentError: another text."""
    if not (match := ADDRESS.fullmatch(text)):
        expected = "hf://OWNER/NAME or hf://OWNER/NAME@REVISION"
        raise ExperimentError("this is no address of a repository", expected=expected, got=text)
    return Address(match[1], match[2] or "main")


def files_to_push(source: Path) -> dict[str, Path]:
    """Name in the repository → file, of a bundle or of pretrained weights, after their check.

    Raises: ArtifactError: a file is damaged. ExperimentError: it is neither.
    """
    if source.is_file():
        read_facts(source)
        return {WEIGHTS: source}
    if not (source / FACTS).is_file():
        expected = f"the folder of a bundle, with {FACTS}, or {WEIGHTS}"
        raise ExperimentError("neither a bundle nor pretrained weights", where=source, expected=expected)
    names = [FACTS, *read_bundle(source).facts.files]
    return {name: source / name for name in sorted(names)} | {README: source / CARD}


def push(files: dict[str, Path], address: Address, *, public: bool) -> str:
    """Upload files in one commit; returns its identifier. A new repository is private unless `public`.

    Raises: MissingExtraError: the client is not installed. StageError: the hub refuses or cannot be reached.
    """
    with _client(address) as (api, operation):
        api.create_repo(address.repo, private=not public, exist_ok=True)
        operations = [operation(name, str(path)) for name, path in files.items()]
        message = "Upload with OceanPath"
        commit = api.create_commit(address.repo, operations, commit_message=message, revision=address.revision)
    return str(commit.oid)


def pull(address: Address, out: Path) -> str:
    """Download a bundle or pretrained weights to the new folder `out`, after their check; returns the commit.

    Raises:
        MissingExtraError: the client is not installed.
        StageError: the hub refuses or cannot be reached.
        ArtifactError: the repository has neither, or a file is damaged.
    """
    with tempfile.TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent) as scratch:
        target = Path(scratch) / out.name
        with _client(address) as (api, _):
            info = api.model_info(address.repo, revision=address.revision)
            names = {each.rfilename for each in info.siblings or ()}
            commit = str(info.sha)
            for name in _wanted(names, address):
                api.hf_hub_download(address.repo, name, revision=commit, local_dir=target)
        if (target / FACTS).is_file():
            read_bundle(target)
        else:
            read_facts(target / WEIGHTS)
        for path in target.glob(".cache"):  # notes of the client
            path.rename(Path(scratch) / "notes")
        target.rename(out)
    return commit


def _wanted(names: set[str], address: Address) -> list[str]:
    """The files of a bundle or of weights among those of a repository."""
    wanted = sorted(names & {FACTS, *NEEDED, *OPTIONAL}) if FACTS in names else sorted(names & {WEIGHTS})
    if not wanted:
        got = ", ".join(sorted(names)[:10]) or "no files"
        raise ArtifactError("the repository has no bundle", where=address, expected=f"{FACTS} or {WEIGHTS}", got=got)
    return wanted


@contextmanager
def _client(address: Address) -> Iterator[tuple[HfApi, Callable[[str, str], Any]]]:
    """The client of the hub and its class of uploads; its errors become those of OceanPath."""
    try:
        from huggingface_hub import CommitOperationAdd, HfApi, constants, errors
    except ImportError as error:
        do = "Install it with: python -m pip install 'oceanpath[hub]'"
        raise MissingExtraError("the hub needs a package", expected="huggingface-hub 1 or later", do=do) from error
    # the base class of all errors of the client's HTTP library, which differs between its versions
    transport = next(kind for kind in errors.HfHubHTTPError.__mro__ if kind.__name__ == "HTTPError")
    endpoint = os.environ.get("HF_ENDPOINT") or constants.ENDPOINT
    try:
        yield HfApi(endpoint=endpoint, library_name="oceanpath"), CommitOperationAdd
    except (errors.RepositoryNotFoundError, errors.GatedRepoError, errors.RevisionNotFoundError) as error:
        do = "Check the address. For private and gated repositories set HF_TOKEN to a token with access."
        raise _error("the hub shows no such repository or revision", address, error, do) from error
    except errors.HfHubHTTPError as error:
        do = "For uploads set HF_TOKEN to a token that may write to the repository."
        raise _error("the hub refused the request", address, error, do) from error
    except (errors.OfflineModeIsEnabled, transport) as error:
        do = "Check the network, HF_ENDPOINT and HF_HUB_OFFLINE."
        raise _error(f"the hub at {endpoint} cannot be reached", address, error, do) from error


def _error(what: str, address: Address, error: Exception, do: str) -> StageError:
    return StageError(what, where=address, got=" ".join(str(error).split())[:MESSAGE], do=do)
