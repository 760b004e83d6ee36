"""What the API asks of the job machinery: submit, look, cancel."""

from __future__ import annotations

import base64
import binascii
from pathlib import Path

from backend.errors import ImageError, InputError
from backend.jobs.store import JobStore
from backend.jobs.supervisor import Supervisor
from backend.options import check_options, check_route
from backend.packs.manifest import find_pack, known_packs, read_manifest
from backend.protocol import MAX_IMAGE_BYTES, ArtifactInfo, JobRequest, JobStatus


class JobService:
    """Checks requests before they become jobs and tells the supervisor when to look. Thread-safe."""

    def __init__(self, store: JobStore, supervisor: Supervisor, packs_folder: Path | None = None) -> None:
        self.store = store
        self.supervisor = supervisor
        self._packs_folder = packs_folder

    def packs(self) -> list[str]:
        return known_packs(self._packs_folder)

    def submit(self, request: JobRequest, idempotency_key: str | None) -> JobStatus:
        """Queue a job.

        Raises:
            OptionError, InputError, ImageError, PackError: the request is unusable.
            QueueFullError, ConflictError, OutputError: as the store says.
        """
        check_options(request)
        manifest = read_manifest(find_pack(request.pack, self._packs_folder))
        check_route(request.route, request.pack, manifest.route)
        job = self.store.add(
            request,
            _image_bytes(request.image),
            pack_revision=manifest.revision,
            idempotency_key=idempotency_key,
        )
        self.supervisor.wake()
        return self.status(job.id)

    def status(self, job_id: str) -> JobStatus:
        return self.store.get(job_id).status(self.store.queue_position(job_id))

    def cancel(self, job_id: str) -> JobStatus:
        """A waiting job ends at once, a running one at its next step; an ended one stays what it is."""
        self.store.change(job_id, lambda job: job.cancel_asked())
        self.supervisor.wake()
        return self.status(job_id)

    def artifact(self, job_id: str, name: str) -> tuple[ArtifactInfo, Path]:
        return self.store.artifact(job_id, name)


def _image_bytes(text: str) -> bytes:
    try:
        image = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InputError(
            "The image is not base64. Send the bytes of the image file, not its address or path."
        ) from error
    if not image:
        raise ImageError("The image file is empty (zero bytes). Choose another file.")
    if len(image) > MAX_IMAGE_BYTES:
        raise ImageError(
            f"The image file has {len(image) / 2**20:.0f} MB, the limit is {MAX_IMAGE_BYTES // 2**20} MB. "
            "Save it smaller or as JPEG."
        )
    return image
