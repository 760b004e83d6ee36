"""Files from the Hugging Face hub or a mirror of it, through huggingface-hub.

HF_ENDPOINT (a mirror), HF_HOME (files already in the cache are taken from there), HF_TOKEN and
HF_HUB_OFFLINE are huggingface-hub's own and mean what they always mean.
"""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from httpx2 import TransportError
from huggingface_hub import constants, get_hf_file_metadata, hf_hub_url, try_to_load_from_cache
from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled
from huggingface_hub.file_download import http_get
from huggingface_hub.utils import build_hf_headers

from backend.errors import PackError
from backend.packs.catalogue import HubFile, PublicPack
from backend.packs.sources import SourceFile, require_expected

_DEFAULT_BRANCH = "main"


class HubSource:
    """The hub as a source of packs."""

    def plan(self, pack: PublicPack) -> list[SourceFile]:
        """Ask the hub for size, hash and commit of each file; nothing is downloaded.

        A repository without a pinned revision is pinned to the commit that its branch has now.

        Raises:
            PackError: offline, unreachable, or not the files that the catalogue knows.
        """
        if constants.is_offline_mode():
            raise PackError(
                f"HF_HUB_OFFLINE is set, so {pack.name} cannot be had. Unset it, or name a folder with "
                f"the files: python -m backend packs download {pack.name} --from FOLDER"
            )
        commits: dict[str, str] = {}
        planned = []
        for file in pack.files:
            found = self._ask(file, commits.get(file.repository) or file.revision or _DEFAULT_BRANCH)
            if found.commit is not None:
                commits[file.repository] = found.commit
            planned.append(require_expected(found))
        return planned

    def fetch(self, wanted: SourceFile, part: Path) -> None:
        """Download to `part`, from where an earlier attempt was cut, for as long as bytes keep coming.

        Raises:
            PackError: the connection broke and a further try brought nothing; the disk is full.
        """
        file, revision = wanted.file, wanted.commit or wanted.file.revision or _DEFAULT_BRANCH
        cached = try_to_load_from_cache(file.repository, file.path, revision=revision)
        with _naming_trouble(wanted.origin, part):
            if isinstance(cached, str):
                shutil.copyfile(cached, part)
                return
            while (held := _size(part)) != wanted.size:
                if held > wanted.size:
                    part.unlink()
                    continue
                try:
                    self._append(wanted, revision, part, held)
                except TransportError:
                    if _size(part) == held:
                        raise

    def _append(self, wanted: SourceFile, revision: str, part: Path, held: int) -> None:
        with part.open("ab") as stream:
            # hf_hub_download would drop what it has when it is interrupted; this part of it does not.
            http_get(
                hf_hub_url(wanted.file.repository, wanted.file.path, revision=revision),
                stream,
                resume_size=held,
                headers=build_hf_headers(),
                expected_size=wanted.size,
                displayed_filename=wanted.file.name,
            )

    def _ask(self, file: HubFile, revision: str) -> SourceFile:
        url = hf_hub_url(file.repository, file.path, revision=revision)
        with _naming_trouble(url):
            metadata = get_hf_file_metadata(url, retry_on_errors=True)
        if metadata.size is None:
            raise PackError(f"{url} comes without a size: the server is no hub. Check HF_ENDPOINT.")
        pinned = hf_hub_url(file.repository, file.path, revision=metadata.commit_hash or revision)
        return SourceFile(file, metadata.size, metadata.etag, pinned, metadata.commit_hash)


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


@contextmanager
def _naming_trouble(origin: str, part: Path | None = None) -> Iterator[None]:
    """Turn what huggingface-hub, the network and the disk raise into the user's words."""
    try:
        yield
    except OfflineModeIsEnabled as error:
        raise PackError("HF_HUB_OFFLINE is set. Unset it, or use --from FOLDER.") from error
    except HfHubHTTPError as error:
        raise PackError(
            f"The hub refused {origin} ({error.response.status_code}). If it asks for a login, set HF_TOKEN; "
            "if the file is gone, look for another copy and use --from FOLDER."
        ) from error
    except TransportError as error:
        raise PackError(
            f"The connection to {origin} broke ({type(error).__name__}: {error}). Run the same command "
            "again: it goes on where it stopped."
        ) from error
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise PackError(f"The disk is full: {part} cannot grow. Make room and run it again.") from error
        raise PackError(f"{origin} could not be fetched ({error}). Run the same command again.") from error
