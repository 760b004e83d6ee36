"""What one Blender session knows of its backend and its running job. Panels read it, operators steer it."""

from __future__ import annotations

import shutil
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path

import bpy
import bpy.utils.previews

from . import artifacts
from .backend_client import BackendClient
from .backend_process import LocalBackend
from .errors import AddonError, Cancelled
from .job_watcher import Event, Failed, Finished, JobWatcher, PreviewArrived, Progressed
from .main_thread import MainThreadQueue
from .preferences import LOCAL, BackendChoice
from .protocol import JobRequest, JobStatus
from .scene.import_asset import import_asset
from .scene.metadata import Parameters

ABANDON_SECONDS = 8.0
"""A cancelled job that gives no sign for this long is left to itself, and Blender is free again."""


class Phase(Enum):
    IDLE = "idle"
    SETTING_UP = "setting up"
    CONNECTING = "connecting"
    RUNNING = "running"
    CANCELLING = "cancelling"
    PLACING = "placing"
    """The asset is here and waits for Object Mode."""


@dataclass(frozen=True)
class SetupProgressed:
    text: str
    fraction: float


@dataclass(frozen=True)
class SetupEnded:
    error: AddonError | None


@dataclass(frozen=True)
class Result:
    object_name: str
    summary: str


class Session:
    """One job at a time, its previews and its end. Methods are for the main thread and return at once."""

    def __init__(self) -> None:
        self.phase = Phase.IDLE
        self.status: JobStatus | None = None
        self.error: AddonError | None = None
        self.setup = SetupProgressed("", 0.0)
        self.results: list[Result] = []
        self.icons: dict[str, int] = {}
        """Icon of each preview that has arrived, by artifact name."""
        self.queue = MainThreadQueue(self._handle, self._settle)
        self._previews = bpy.utils.previews.new()
        self._backend: LocalBackend | None = None
        self._watcher: JobWatcher | None = None
        self._folder: Path | None = None
        self._parameters: Parameters | None = None
        self._show_textures = True
        self._arrived: Finished | None = None
        self._began = self._cancelled_at = 0.0

    @property
    def busy(self) -> bool:
        return self.phase is not Phase.IDLE

    def generate(
        self,
        choice: BackendChoice,
        image: bytes | Path,
        request: JobRequest,
        image_name: str,
        show_textures: bool,
    ) -> None:
        """Start a job. Raises AddonError when it can be known at once that it cannot run."""
        connect = self._connector(choice)
        self._clear()
        self._folder = Path(tempfile.mkdtemp(prefix="bozzetto-", dir=bpy.app.tempdir))
        self._parameters = Parameters.of(request, image_name)
        self._show_textures = show_textures
        self._began = time.monotonic()
        self.phase = Phase.CONNECTING
        watcher = JobWatcher(
            connect, image, request, self._folder, lambda event: self.queue.put((watcher, event))
        )
        self._watcher = watcher
        watcher.start()
        self.queue.start()

    def cancel(self) -> None:
        if self._watcher is not None and self.phase in (Phase.CONNECTING, Phase.RUNNING):
            self.phase = Phase.CANCELLING
            self._cancelled_at = time.monotonic()
            self._watcher.cancel()

    def dismiss(self) -> None:
        self.error = None

    def set_up(self, choice: BackendChoice) -> None:
        """Make the local backend's environment on a thread. Raises SetupError when no folders are chosen."""
        environment = choice.environment()
        self.error = None
        self.phase, self.setup = Phase.SETTING_UP, SetupProgressed("starting", 0.0)

        def make() -> None:
            try:
                environment.make(lambda text, done: self.queue.put((None, SetupProgressed(text, done))))
            except AddonError as error:
                self.queue.put((None, SetupEnded(error)))
            else:
                self.queue.put((None, SetupEnded(None)))

        threading.Thread(target=make, name="bozzetto-setup", daemon=True).start()
        self.queue.start()

    def close(self) -> None:
        """Stop whatever runs and give back whatever is held."""
        self.queue.stop()
        self._clear()
        if self._backend is not None:
            self._backend.stop()
            self._backend = None
        bpy.utils.previews.remove(self._previews)

    def _connector(self, choice: BackendChoice) -> Callable[[], BackendClient]:
        """What the job's thread calls to reach the backend; the local one is started by that call."""
        if choice.kind != LOCAL:
            client = choice.remote_client()
            return lambda: _greeted(client)
        if self._backend is None or not self._backend.running:
            self._backend = choice.local_backend()
        backend = self._backend

        def start_and_connect() -> BackendClient:
            address = backend.start()
            return _greeted(BackendClient(address, backend.token))

        return start_and_connect

    def _clear(self) -> None:
        if self._watcher is not None:
            self._watcher.cancel()
        self._watcher = self._arrived = self.status = self.error = None
        self.phase = Phase.IDLE
        self.icons.clear()
        self._previews.clear()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def _handle(self, item: tuple[JobWatcher | None, Event | SetupProgressed | SetupEnded]) -> None:
        sender, event = item
        if isinstance(event, SetupProgressed):
            self.setup = event
        elif isinstance(event, SetupEnded):
            self.phase, self.error = Phase.IDLE, event.error
        elif sender is not self._watcher:
            return  # a job that was left to itself still speaks
        elif isinstance(event, Progressed):
            self.status = event.status
            if self.phase is Phase.CONNECTING:
                self.phase = Phase.RUNNING
        elif isinstance(event, PreviewArrived):
            key = f"{event.name}:{len(self._previews)}"
            self.icons[event.name] = self._previews.load(key, str(event.path), "IMAGE").icon_id
        elif isinstance(event, Finished):
            self._arrived, self.phase = event, Phase.PLACING
        elif isinstance(event, Failed):
            self._end(None if isinstance(event.error, Cancelled) else event.error)
        _redraw()

    def _settle(self) -> bool:
        """After each look into the queue: place what has arrived, leave what is deaf; whether all is done."""
        if self.phase is Phase.CANCELLING and time.monotonic() - self._cancelled_at > ABANDON_SECONDS:
            self._end(None)
        if self._arrived is not None and _may_place():
            arrived, self._arrived = self._arrived, None
            try:
                self._place(arrived)
            except AddonError as error:
                self._end(error)
            else:
                self._end(None)
        return not self.busy

    def _place(self, arrived: Finished) -> None:
        assert self._parameters is not None
        parameters = replace(self._parameters, seed=arrived.seed)
        name = Path(parameters.image).stem
        windows = bpy.context.window_manager.windows
        # A timer runs without a window, and operators need one; in background mode there is none to give.
        with bpy.context.temp_override(**({"window": windows[0]} if windows else {})):
            asset = import_asset(bpy.context, arrived.folder / artifacts.ASSET, name, parameters)
            bpy.ops.ed.undo_push(message=f"Bozzetto: {name}")
        if self._show_textures:
            for window in windows:
                _show_textures(window)
        seconds = time.monotonic() - self._began
        faces = len(asset.data.polygons)
        self.results.insert(0, Result(asset.name, f"{faces:,} faces, {seconds:.0f} s"))

    def _end(self, error: AddonError | None) -> None:
        self.phase, self.error, self._watcher = Phase.IDLE, error, None
        _redraw()


def _greeted(client: BackendClient) -> BackendClient:
    client.health()
    return client


def _may_place() -> bool:
    """An import leaves other modes and would end up inside a running transform's undo step."""
    windows = bpy.context.window_manager.windows
    running = [operator.bl_idname for window in windows for operator in window.modal_operators]
    if any(name.startswith("TRANSFORM_OT") for name in running):
        return False
    active = windows[0].view_layer.objects.active if windows else bpy.context.view_layer.objects.active
    return active is None or active.mode == "OBJECT"


def _show_textures(window: bpy.types.Window) -> None:
    for area in window.screen.areas:
        if area.type == "VIEW_3D" and area.spaces.active.shading.type in {"WIREFRAME", "SOLID"}:
            area.spaces.active.shading.type = "MATERIAL"


def _redraw() -> None:
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type in {"VIEW_3D", "PREFERENCES"}:
                area.tag_redraw()


_current: Session | None = None


def current() -> Session:
    """The session between register and unregister."""
    assert _current is not None, "the add-on is not registered"
    return _current


def register() -> None:
    global _current
    _current = Session()


def unregister() -> None:
    global _current
    current().close()
    _current = None
