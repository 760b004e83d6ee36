"""Which backend the add-on talks to. Read on the main thread, used on others: hence the frozen copy."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import bpy

from .backend_client import BackendClient, is_loopback_address
from .backend_process import LocalBackend
from .environment import Environment
from .errors import AddressError, SetupError, TokenError

LOCAL, ADDRESS = "LOCAL", "ADDRESS"


@dataclass(frozen=True)
class BackendChoice:
    """The preferences as they were when a job was started."""

    kind: str
    source_folder: Path | None
    backend_folder: Path | None
    address: str
    token_file: Path | None
    online_access: bool
    """Whether Blender's user allows add-ons to use the network."""

    def environment(self) -> Environment:
        """The local backend's Python environment. Raises SetupError when no folders are chosen."""
        if self.source_folder is None or self.backend_folder is None:
            raise SetupError("Choose Bozzetto's folder in the preferences, then press Set up backend.")
        pins = self.source_folder / "requirements"
        return Environment(self.backend_folder / "environment", (pins / "backend.txt",), pins / "torch.txt")

    def local_backend(self) -> LocalBackend:
        """Not started yet. Raises SetupError when no folders are chosen."""
        environment = self.environment()
        assert self.source_folder is not None
        assert self.backend_folder is not None
        return LocalBackend(environment.python, self.source_folder, self.backend_folder / "data")

    def remote_client(self) -> BackendClient:
        """A client of the backend at `address`.

        Raises:
            AddressError: no usable address, or one beyond this machine while online access is off.
            TokenError: no token file.
        """
        if not self.online_access and not is_loopback_address(self.address):
            raise AddressError(
                "The backend is on another machine, and Blender's online access is off. Allow it in "
                "Preferences > System > Network."
            )
        return BackendClient(self.address, read_token(self.token_file))


def read_token(path: Path | None) -> str:
    """The token that a backend was started with. Raises TokenError when there is none to read."""
    if path is None:
        raise TokenError("Choose the token file that the backend was started with.")
    try:
        token = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise TokenError(f"The token file {path} cannot be read ({error}).") from error
    if not token:
        raise TokenError(f"The token file {path} is empty.")
    return token


class BozzettoPreferences(bpy.types.AddonPreferences):
    bl_idname = __package__

    backend: bpy.props.EnumProperty(
        name="Backend",
        items=[
            (LOCAL, "On this computer", "Started and ended by Blender"),
            (ADDRESS, "At an address", "Started by somebody else, here or on another machine"),
        ],
    )
    source_folder: bpy.props.StringProperty(
        name="Bozzetto's folder",
        description="The unpacked Bozzetto release or clone: the folder that contains build.py",
        subtype="DIR_PATH",
    )
    backend_folder: bpy.props.StringProperty(
        name="Keep backend in",
        description="Where the backend's packages go, about 2 GB. Empty: .bozzetto in Bozzetto's folder",
        subtype="DIR_PATH",
    )
    address: bpy.props.StringProperty(name="Address", default="http://127.0.0.1:8765")
    token_file: bpy.props.StringProperty(
        name="Token file",
        description="The file given to the backend as --token-file. Only its path is saved in Blender",
        subtype="FILE_PATH",
    )

    def draw(self, context: bpy.types.Context) -> None:
        from .panels import draw_preferences

        draw_preferences(self, self.layout)


def current_choice(context: bpy.types.Context) -> BackendChoice:
    preferences = context.preferences.addons[__package__].preferences
    source = _path(preferences.source_folder)
    backend = _path(preferences.backend_folder)
    return BackendChoice(
        kind=preferences.backend,
        source_folder=source,
        backend_folder=backend if backend or source is None else source / ".bozzetto",
        address=preferences.address,
        token_file=_path(preferences.token_file),
        online_access=bpy.app.online_access,
    )


def _path(text: str) -> Path | None:
    return Path(bpy.path.abspath(text)) if text.strip() else None


def register() -> None:
    bpy.utils.register_class(BozzettoPreferences)


def unregister() -> None:
    bpy.utils.unregister_class(BozzettoPreferences)
