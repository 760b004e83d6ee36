"""The packs of single-image reconstruction models: files to models ready to run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from backend.device import Placement, place
from backend.models.interfaces import MaterialModel
from backend.models.presets import SurfaceConfig
from backend.models.reconstructor.openlrm import OpenLRM
from backend.models.reconstructor.openlrm_field import GRID as OPENLRM_GRID
from backend.models.reconstructor.openlrm_field import OpenLRMReconstructor
from backend.models.reconstructor.radiance_reconstructor import RadianceReconstructor
from backend.models.reconstructor.triposr import TripoSR
from backend.models.reconstructor.triposr_field import GRID as TRIPOSR_GRID
from backend.models.reconstructor.triposr_field import TripoSRReconstructor
from backend.packs.loading import LrmPack
from backend.packs.manifest import PackManifest, files_by_role
from backend.packs.material_models import material_model_beside
from backend.packs.networks import load_networks


def load_triposr(folder: Path, manifest: PackManifest, device: torch.device) -> LrmPack:
    """TripoSR from a verified folder.

    Raises:
        PackError: the file does not fit the network.
    """
    model = load_networks("triposr", files_by_role(folder))["reconstructor"]
    assert isinstance(model, TripoSR)
    materials = material_model_beside(folder, device)
    return assemble_lrm(model, device, name=folder.name, revision=manifest.revision, materials=materials)


def load_openlrm(folder: Path, manifest: PackManifest, device: torch.device) -> LrmPack:
    """OpenLRM, of whichever size the folder's configuration says, from a verified folder.

    Raises:
        PackError: a file does not fit the network, or the configuration is unreadable.
    """
    model = load_networks("openlrm", files_by_role(folder))["reconstructor"]
    assert isinstance(model, OpenLRM)
    materials = material_model_beside(folder, device)
    return assemble_lrm(model, device, name=folder.name, revision=manifest.revision, materials=materials)


def assemble_lrm(
    model: TripoSR | OpenLRM,
    device: torch.device,
    *,
    name: str,
    revision: str,
    grid: int | None = None,
    materials: MaterialModel | None = None,
) -> LrmPack:
    """The network behind the pipeline's interface, in the place that suits `device`.

    Args:
        grid: vertices along each side of the marching cubes' grid, instead of the authors' number.
    """
    placement = _settle(model, model.decoder, device)
    reconstructor: RadianceReconstructor
    if isinstance(model, TripoSR):
        reconstructor = TripoSRReconstructor(model, grid or TRIPOSR_GRID, placement)
    else:
        reconstructor = OpenLRMReconstructor(model, grid or OPENLRM_GRID, placement)
    surface = SurfaceConfig(reconstructor.surface.resolution - 1)
    return LrmPack(name, revision, device, surface, reconstructor, materials)


def _settle(model: nn.Module, decoder: nn.Module, device: torch.device) -> Placement:
    # In float32, as their authors run them: what half precision does to their densities was never measured.
    weights = sum(parameter.numel() for parameter in model.parameters())
    placement = replace(place(device, 0, full=weights), dtype=torch.float32)
    placement.settle(model)
    # The decoder is small, and the surface is as exact as its densities: it stays, in full precision.
    decoder.to(device, torch.float32)
    return placement
