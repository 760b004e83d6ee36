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
        |-- JobNotFoundError      unknown job
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


class Cancelled(BozzettoError):
    code = "cancelled"


class EmptySurfaceError(BozzettoError):
    code = "empty_surface"


class OutOfMemoryError(BozzettoError):
    code = "out_of_memory"


class ServiceError(BozzettoError):
    code = "service"


class AuthError(ServiceError):
    code = "unauthorised"


class JobNotFoundError(ServiceError):
    code = "job_not_found"


class QueueFullError(ServiceError):
    code = "queue_full"


class PortInUseError(ServiceError):
    code = "port_in_use"


class WorkerDiedError(ServiceError):
    code = "worker_died"
