"""Random single-image packs a thousandth of the size, in memory and in the public files' form."""

from __future__ import annotations

import json
import math
import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from backend.models.layers.triplane_transformer import TriplaneTransformerConfig
from backend.models.layers.vision_transformer import VisionTransformerConfig
from backend.models.reconstructor.openlrm import OpenLRM, OpenLRMConfig
from backend.models.reconstructor.openlrm_field import THRESHOLD as OPENLRM_THRESHOLD
from backend.models.reconstructor.triposr import TripoSR, TripoSRConfig
from backend.models.reconstructor.triposr_field import THRESHOLD as TRIPOSR_THRESHOLD
from backend.packs.manifest import PackManifest, hashed_file, save_manifest
from backend.packs.public_names import OPENLRM_NAMES, TRIPOSR_NAMES
from backend.packs.strict_loading import NameRule

GRID = 24
TRIPOSR = TripoSRConfig(
    VisionTransformerConfig(width=16, layers=1, heads=2, hidden=32, position_grid=2),
    image_size=32,
    width=32,
    layers=1,
    heads=2,
    plane_tokens=4,
    plane_channels=4,
    hidden=16,
    decoder_layers=3,
)
OPENLRM_PUBLIC: dict[str, Any] = {
    "camera_embed_dim": 8,
    "encoder_feat_dim": 64,
    "transformer_dim": 16,
    "transformer_layers": 1,
    "transformer_heads": 2,
    "triplane_dim": 4,
}
"""As OpenLRM's config.json says it."""
OPENLRM_IMAGE_SIZE = 28
OPENLRM = OpenLRMConfig(
    VisionTransformerConfig(
        width=64,
        heads=1,
        hidden=256,
        patch=14,
        position_grid=37,
        norm_eps=1e-6,
        registers=4,
        layer_scale=True,
        resample_offset=0.0,
        resample_antialias=True,
    ),
    TriplaneTransformerConfig(
        width=16,
        layers=1,
        heads=2,
        context_width=64,
        plane_channels=4,
        modulation_width=8,
        block_norm_eps=1e-6,
    ),
    OPENLRM_IMAGE_SIZE,
    camera_width=8,
)
INSIDE_SHARE = 0.2
"""Of the grid: an untrained field is nearly constant, so its contrast and its level are chosen."""
CONTRAST = 30.0


@torch.no_grad()
def tiny_triposr() -> TripoSR:
    torch.manual_seed(0)
    model = TripoSR(TRIPOSR).eval()
    planes = model.planes(torch.full((1, 3, 32, 32), 0.5))[0]
    _with_a_surface(
        model.decoder[-1],
        lambda: torch.stack(list(model.density_slabs(planes, GRID))).log(),
        math.log(TRIPOSR_THRESHOLD),
    )
    return model


@torch.no_grad()
def tiny_openlrm() -> OpenLRM:
    torch.manual_seed(0)
    model = OpenLRM(OPENLRM).eval()
    planes = model.planes(torch.ones(1, 3, OPENLRM_IMAGE_SIZE, OPENLRM_IMAGE_SIZE))[0]
    _with_a_surface(
        model.decoder.radiance[-1],
        lambda: torch.stack(list(model.density_slabs(planes, GRID))).expm1().log(),
        math.log(math.expm1(OPENLRM_THRESHOLD)),
    )
    return model


def _with_a_surface(last: nn.Linear, values: Any, level: float) -> None:
    """Scale and shift the density's output so that INSIDE_SHARE of the grid lies above the level."""
    last.weight[0] *= CONTRAST
    last.bias[0] += level - values().quantile(1 - INSIDE_SHARE)


def write_tiny_triposr(folder: Path) -> None:
    """As an installed download."""
    folder.mkdir()
    (folder / "config.yaml").write_text("cond_image_size: 32\n")
    unused = {"image_tokenizer.model.pooler.dense.weight": torch.zeros(16, 16)}
    save_file(as_stored(tiny_triposr(), TRIPOSR_NAMES) | unused, folder / "model.safetensors")
    _write_manifest(folder, "triposr", {"config": "config.yaml", "reconstructor": "model.safetensors"})


def write_tiny_openlrm(folder: Path) -> None:
    """As an installed download."""
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(OPENLRM_PUBLIC))
    save_file(as_stored(tiny_openlrm(), OPENLRM_NAMES), folder / "model.safetensors")
    _write_manifest(folder, "openlrm", {"config": "config.json", "reconstructor": "model.safetensors"})


def _write_manifest(folder: Path, kind: str, names: dict[str, str]) -> None:
    files = tuple(hashed_file(folder, name, role) for role, name in names.items())
    save_manifest(folder, PackManifest(folder.name, "CC0-1.0", "tiny", files, kind))


def as_stored(module: nn.Module, rules: Sequence[NameRule]) -> dict[str, Tensor]:
    """Parameters under the names of the public files, fused where these fuse them."""
    parts: dict[str, dict[int, Tensor]] = defaultdict(dict)
    for name, tensor in module.state_dict().items():
        matches = [(rule, re.fullmatch(rule.module, name)) for rule in rules]
        found = [(rule, match.expand(rule.stored)) for rule, match in matches if match]
        rule, stored = found[-1] if found else (None, name)
        parts[stored][0 if rule is None or rule.part is None else rule.part[0]] = tensor
    return {name: torch.cat([part[k] for k in sorted(part)]).contiguous() for name, part in parts.items()}
