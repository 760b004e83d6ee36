"""Every error that Bozzetto raises on purpose.

    BozzettoError
    |-- InputError            the caller gave something unusable
    |   |-- ImageError            not an image, truncated, too small, too large, empty
    |   |-- ForegroundError       no object found in the image
    |   |-- OptionError           an option outside its range, an unknown name
    |   `-- OutputError           the output folder cannot be written
    |-- PackError             weights unknown, missing, or not what the manifest says
    |-- Cancelled             the user asked for it to stop
    |-- EmptySurfaceError     the networks produced no surface
    |-- OutOfMemoryError      host or device memory ran out
    `-- ServiceError          the server and its workers
        |-- AuthError             no token or a wrong one
        |-- RefusedError          a request that only a browser or a stranger would send
        |-- BodyTooLargeError     more bytes than a request may carry
        |-- JobNotFoundError      unknown job
        |-- ArtifactNotFoundError the job has nothing of that name
        |-- ConflictError         one idempotency key, two different requests
        |-- QueueFullError        the queue is at its limit
        |-- PortInUseError        the asked port is taken
        `-- WorkerDiedError       the worker process ended in mid-job

Each message says what was given, what was wanted and what to do. `code` is what crosses the wire.
"""

from __future__ import annotations


class BozzettoError(Exception):
    """Base of every deliberate error. Its text is written for the user."""

    code = "error"


class InputError(BozzettoError):
    code = "bad_input"


class ImageError(InputError):
    code = "bad_image"


class ForegroundError(InputError):
    code = "no_foreground"


class OptionError(InputError):
    code = "bad_option"


class OutputError(InputError):
    code = "output_not_writable"


class PackError(BozzettoError):
    code = "pack"


class Cancelled(BozzettoError):  # noqa: N818 - an outcome that was asked for, not a fault
    code = "cancelled"


class EmptySurfaceError(BozzettoError):
    code = "empty_surface"


class OutOfMemoryError(BozzettoError):
    code = "out_of_memory"


class ServiceError(BozzettoError):
    code = "service"


class AuthError(ServiceError):
    code = "unauthorised"


class RefusedError(ServiceError):
    code = "refused"


class BodyTooLargeError(ServiceError):
    code = "body_too_large"


class JobNotFoundError(ServiceError):
    code = "job_not_found"


class ArtifactNotFoundError(ServiceError):
    code = "artifact_not_found"


class ConflictError(ServiceError):
    code = "conflict"


class QueueFullError(ServiceError):
    code = "queue_full"


class PortInUseError(ServiceError):
    code = "port_in_use"


class WorkerDiedError(ServiceError):
    code = "worker_died"
