"""Every error that the add-on shows, and the button that leads out of it. Standard library only.

AddonError
|-- ImageError            the chosen image cannot be read
|-- SetupError            the backend is not set up, or setting it up failed
|-- StartError            the local backend did not start
|-- AddressError          an address that cannot or must not be used
|-- UnreachableError      nobody answers there
|-- TokenError            the token file is missing, or the backend refuses the token
|-- VersionError          the backend speaks another version of the protocol, or is no Bozzetto backend
|-- UnsafeAnswerError     the backend sent something that must not be used
|   `-- ChangedError          an artifact is no longer what the list said
|-- BackendError          the backend refused the request, or the job failed (`code` says why)
|-- Cancelled             the user asked for it to stop
|-- OutputError           the output folder cannot be written
`-- ImportAssetError      Blender could not import the asset
"""

from __future__ import annotations

from enum import Enum


class WayOut(Enum):
    """What the user can do next: panels.py draws one button for it."""

    RETRY = "retry"
    CHOOSE_IMAGE = "choose_image"
    PREFERENCES = "preferences"
    SET_UP = "set_up"


class AddonError(Exception):
    """Base of every deliberate error. Its text is written for the user."""

    way_out = WayOut.RETRY


class ImageError(AddonError):
    way_out = WayOut.CHOOSE_IMAGE


class SetupError(AddonError):
    way_out = WayOut.SET_UP


class StartError(AddonError):
    way_out = WayOut.SET_UP


class AddressError(AddonError):
    way_out = WayOut.PREFERENCES


class UnreachableError(AddonError):
    way_out = WayOut.PREFERENCES


class TokenError(AddonError):
    way_out = WayOut.PREFERENCES


class VersionError(AddonError):
    way_out = WayOut.PREFERENCES


class UnsafeAnswerError(AddonError):
    way_out = WayOut.PREFERENCES


class ChangedError(UnsafeAnswerError):
    pass


class BackendError(AddonError):
    """`code` is one of backend.errors' codes."""

    _IMAGE_CODES = frozenset({"bad_image", "no_foreground"})

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.way_out = WayOut.CHOOSE_IMAGE if code in self._IMAGE_CODES else WayOut.RETRY


class Cancelled(AddonError):  # noqa: N818  (no error: the user asked for it)
    pass


class OutputError(AddonError):
    pass


class ImportAssetError(AddonError):
    pass
