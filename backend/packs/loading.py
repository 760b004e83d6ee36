"""A pack on disk to models ready to run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from importlib import import_module
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn

from backend.device import channels_last
from backend.errors import PackError
from backend.models.interfaces import (
    ImageReconstructor,
    MaterialModel,
    MultiviewModel,
    NormalModel,
    Reconstructor,
)
from backend.models.multiview.coordinate_net import CoordinateNet
from backend.models.multiview.draft import Draftsman
from backend.models.multiview.nano_denoiser import NanoDenoiser, NanoNormalControl
from backend.models.multiview.nano_sampler import NanoNormalModel, NanoViewModel
from backend.models.presets import NanoPreset, PackPreset, SurfaceConfig, read_preset, write_preset
from backend.models.reconstructor.nano_field import NanoReconstructor
from backend.models.reconstructor.nano_voxel import NanoVoxelReconstructor
from backend.packs.eight_bit import dequantise, quantise
from backend.packs.manifest import PackManifest, find_pack, verify
from backend.packs.strict_loading import load_strictly, read_tensors

CONFIG_NAME = "config.json"


@dataclass(frozen=True)
class Pack:
    """A loaded pack for the route "multiview": image to six views, to normals, to a field."""

    name: str
    revision: str
    device: torch.device
    config: PackPreset
    multiview: MultiviewModel
    normals: NormalModel
    reconstructor: Reconstructor
    materials: MaterialModel | None = None
    """For a reconstructor without a material head, where the weights are installed."""
    normals_sharpen: bool = False
    """Whether the views' normals go into mesh and normal map: the reconstructor does not read them."""


@dataclass(frozen=True)
class LrmPack:
    """A loaded pack for the route "lrm": image straight to a field."""

    name: str
    revision: str
    device: torch.device
    surface: SurfaceConfig
    reconstructor: ImageReconstructor
    materials: MaterialModel | None = None


AnyPack = Pack | LrmPack


@dataclass(frozen=True)
class NanoModules:
    """Nano's networks, each in a file of its own."""

    coordinates: CoordinateNet
    views: NanoDenoiser
    normals: NanoNormalControl
    reconstructor: NanoVoxelReconstructor

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(field.name for field in fields(self))

    def by_file(self) -> dict[str, nn.Module]:
        return {f"{name}.safetensors": getattr(self, name) for name in self.names}


def build_nano(preset: NanoPreset) -> NanoModules:
    """The networks with fresh random weights."""
    views = NanoDenoiser(preset.denoiser)
    return NanoModules(
        CoordinateNet(preset.coordinates),
        views,
        NanoNormalControl(views),
        NanoVoxelReconstructor(preset.reconstructor, views.cameras),
    )


def assemble_nano(
    modules: NanoModules, preset: NanoPreset, device: torch.device, *, name: str = "nano", revision: str
) -> Pack:
    """Put the networks behind the pipeline's interfaces, on `device` and ready for inference."""
    for module in modules.by_file().values():
        module.to(device=device, dtype=torch.float32).eval().requires_grad_(False)
    for of_images in (modules.coordinates, modules.views, modules.normals):
        channels_last(of_images)
    sampling = preset.sampling
    draftsman = Draftsman(modules.coordinates, modules.views.cameras)
    return Pack(
        name,
        revision,
        device,
        preset,
        NanoViewModel(modules.views, draftsman, sampling.view_steps, sampling.guidance),
        NanoNormalModel(modules.views, modules.normals, draftsman, sampling.normal_steps),
        NanoReconstructor(modules.reconstructor),
    )


LOADERS = {
    "nano": "backend.packs.loading:load_nano",
    "zero123plus-instantmesh": "backend.packs.zero123plus_instantmesh:load_zero123plus_instantmesh",
    "triposr": "backend.packs.lrm:load_triposr",
    "openlrm": "backend.packs.lrm:load_openlrm",
}
"""By kind of pack, "module:function" of (folder, manifest, device) -> AnyPack. Imported when first needed:
the public networks bring diffusers and transformers, which nano does without."""


def load_pack(name: str, device: torch.device, packs_folder: Path | None = None) -> Pack:
    """`load_any_pack` for whoever needs the six views.

    Raises:
        PackError: also for a pack of another route.
    """
    pack = load_any_pack(name, device, packs_folder)
    if not isinstance(pack, Pack):
        raise PackError(
            f"The pack {name!r} makes no views, and this needs them. Choose another, such as nano."
        )
    return pack


def load_any_pack(name: str, device: torch.device, packs_folder: Path | None = None) -> AnyPack:
    """Verify and load an installed pack, from one folder or wherever packs are (packs.manifest).

    Raises:
        PackError: unknown pack; a file missing, altered, or not fitting the networks.
    """
    folder = find_pack(name, packs_folder)
    manifest = verify(folder)
    if manifest.kind not in LOADERS:
        raise PackError(
            f"The pack {name!r} is of the kind {manifest.kind!r}, which this Bozzetto cannot load. "
            f"It knows: {', '.join(LOADERS)}. Update Bozzetto."
        )
    module, _, function = LOADERS[manifest.kind].partition(":")
    pack: AnyPack = getattr(import_module(module), function)(folder, manifest, device)
    return pack


def load_nano(folder: Path, manifest: PackManifest, device: torch.device) -> Pack:
    """Nano from a verified folder.

    Raises:
        PackError: a file does not fit the networks.
    """
    preset = read_preset(folder / CONFIG_NAME)
    modules = build_nano(preset)
    load_weights(modules, modules.names, folder)
    return assemble_nano(modules, preset, device, name=folder.name, revision=manifest.revision)


def load_weights(modules: NanoModules, names: Sequence[str], folder: Path) -> None:
    """Fill the named networks from a pack's eight-bit files.

    Raises:
        PackError: a file is missing or does not fit its network.
    """
    for name in names:
        file = folder / f"{name}.safetensors"
        load_strictly(getattr(modules, name), dequantise(read_tensors(file)), origin=str(file))


def save_nano(modules: NanoModules, preset: NanoPreset, folder: Path) -> None:
    """Write eight-bit weights and the configuration; the manifest is the caller's (packs.manifest)."""
    folder.mkdir(parents=True, exist_ok=True)
    write_preset(preset, folder / CONFIG_NAME)
    for file, module in modules.by_file().items():
        save_file(quantise(module.state_dict()), folder / file)
