"""Train the multi-view denoiser and, on top of it, the normal ControlNet.

Both predict x0 and are weighted as in v-space, 1 / (1 - alpha_bar), clipped (min-SNR, Hang et al. 2023). The
denoiser sees normals a third of the time under their own class label, so that its frozen decoder can draw
them when the ControlNet steers it.

Denoising starts from the noised draft d. So the noise of a training sample x0 is e + sqrt(r) (d - x0), with e
normal and r the signal-to-noise ratio at some timestep S: at S that is the noised draft, at 0 it is x0, and
DDIM's deterministic path leads from one to the other (the residual shifting of ResShift, Yue et al. 2023,
written as a shift of the noise's mean). The denoiser is trained with S = VIEW_SHIFT, above the VIEW_START
from which it is sampled: trained and sampled with S = 249 it blurred whatever the draft may be wrong about
(LEDGER.md, 6).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from jaxtyping import Float
from torch import Tensor, nn

from backend.device import channels_last
from backend.models.multiview.coordinate_net import CoordinateNet
from backend.models.multiview.draft import Draft, draft_views
from backend.models.multiview.nano_denoiser import (
    COLOUR,
    NORMAL,
    NanoDenoiser,
    NanoNormalControl,
    encode_colour,
    encode_normals,
)
from backend.models.multiview.nano_sampler import NORMAL_START, VIEW_START
from backend.training.augmentation import recolour
from backend.training.loop import Batch

_NORMAL_SHARE = 0.3
_DROP_SHARE = 0.1
"""Of samples without their reference image, for classifier-free guidance."""
_LARGEST_WEIGHT = 5.0


VIEW_SHIFT = 499
"""Timestep S of the denoiser's training; the ControlNet's is NORMAL_START."""


class ViewTask:
    """The denoiser."""

    def __init__(
        self, net: NanoDenoiser, coordinates: CoordinateNet, scheduler: DDIMScheduler, precision: torch.dtype
    ) -> None:
        self.name = "views"
        self.module: nn.Module = channels_last(net)
        self._net = net
        self._coordinates = channels_last(coordinates.eval())
        self._noising = _Noising(scheduler, VIEW_SHIFT)
        self._precision = precision

    def loss(self, batch: Batch, generator: torch.Generator) -> tuple[Float[Tensor, ""], dict[str, float]]:
        size = len(batch.elevation)
        domain = (torch.rand(size, generator=generator) < _NORMAL_SHARE).long()
        keep = (torch.rand(size, generator=generator) > _DROP_SHARE).float()
        error, weight = self._errors(
            batch, domain, keep, self._noising.draw_steps(size, generator), generator
        )
        colour, normal = error[domain == COLOUR], error[domain == NORMAL]
        figures = {"colour": colour.mean().item()} if len(colour) else {}
        figures |= {"normal": normal.mean().item()} if len(normal) else {}
        return (error * weight).mean(), figures

    def validate(self, batches: Sequence[Batch], generator: torch.Generator) -> dict[str, float]:
        figures: dict[str, float] = {}
        for name, domain in (("colour", COLOUR), ("normal", NORMAL)):
            for step in (VIEW_SHIFT, VIEW_START):
                total = 0.0
                for batch in batches[:3]:
                    size = len(batch.elevation)
                    steps = torch.full((size,), step)
                    labels = torch.full((size,), domain)
                    total += self._errors(batch, labels, torch.ones(size), steps, generator)[0].mean().item()
                figures[f"val_{name}_{step}"] = total / len(batches[:3])
        return figures

    def _errors(
        self, batch: Batch, domain: Tensor, keep: Tensor, steps: Tensor, generator: torch.Generator
    ) -> tuple[Float[Tensor, " batch"], Float[Tensor, " batch"]]:
        device = batch.view_rgba.device
        domain, keep, steps = domain.to(device), keep.to(device), steps.to(device)
        reference, transform = recolour(batch.reference_rgba, generator)
        rgba, _ = recolour(batch.view_rgba, generator, transform)
        clean = clean_target(self._net, rgba, batch, domain)
        with torch.autocast(device.type, self._precision, enabled=self._precision != torch.float32):
            draft = draft_views(self._coordinates, reference, self._net.cameras)
            noisy = self._noising.add(clean, encoded_draft(self._net, draft, domain), steps, generator)
            condition = self._net.condition(
                draft.reference, draft.front, draft.rgba, draft.positions, draft.elevation, domain, keep
            )
            predicted = self._net(noisy, steps, condition, domain)
        error = (predicted.float() - clean).square().mean(dim=(1, 2, 3, 4))
        return error, self._noising.weight(steps)


class NormalTask:
    """The ControlNet; the denoiser stays as it is. Its RGB views are true ones, recoloured."""

    def __init__(
        self,
        control: NanoNormalControl,
        net: NanoDenoiser,
        coordinates: CoordinateNet,
        scheduler: DDIMScheduler,
        precision: torch.dtype,
    ) -> None:
        self.name = "normals"
        self.module: nn.Module = channels_last(control)
        self._control = control
        self._net = channels_last(net.eval().requires_grad_(False))
        self._coordinates = coordinates.eval()
        self._noising = _Noising(scheduler, NORMAL_START)
        self._precision = precision

    def loss(self, batch: Batch, generator: torch.Generator) -> tuple[Float[Tensor, ""], dict[str, float]]:
        steps = self._noising.draw_steps(len(batch.elevation), generator)
        error, weight, angle = self._errors(batch, steps, generator)
        return (error * weight).mean(), {"error": error.mean().item(), "degrees": angle}

    def validate(self, batches: Sequence[Batch], generator: torch.Generator) -> dict[str, float]:
        figures = {}
        for step in (NORMAL_START, NORMAL_START // 2):
            errors, angles = [], []
            for batch in batches[:3]:
                steps = torch.full((len(batch.elevation),), step)
                error, _, angle = self._errors(batch, steps, generator)
                errors.append(error.mean().item())
                angles.append(angle)
            figures[f"val_error_{step}"] = sum(errors) / len(errors)
            figures[f"val_degrees_{step}"] = sum(angles) / len(angles)
        return figures

    def _errors(
        self, batch: Batch, steps: Tensor, generator: torch.Generator
    ) -> tuple[Float[Tensor, " batch"], Float[Tensor, " batch"], float]:
        device = batch.view_rgba.device
        size = len(batch.elevation)
        domain = torch.full((size,), NORMAL, device=device)
        reference, transform = recolour(batch.reference_rgba, generator)
        rgba, _ = recolour(batch.view_rgba, generator, transform)
        clean = clean_target(self._net, rgba, batch, domain)
        steps = steps.to(device)
        with torch.autocast(device.type, self._precision, enabled=self._precision != torch.float32):
            with torch.no_grad():
                draft = draft_views(self._coordinates, reference, self._net.cameras)
                noisy = self._noising.add(clean, encoded_draft(self._net, draft, domain), steps, generator)
                condition = self._net.condition(
                    draft.reference, draft.front, draft.rgba, draft.positions, draft.elevation, domain
                )
            residuals = self._control(self._net.input_grid(noisy, condition), steps, condition.tokens, rgba)
            predicted = self._net(noisy, steps, condition, domain, residuals).float()
        error = (predicted - clean).square().mean(dim=(1, 2, 3, 4))
        cosine = torch.cosine_similarity(predicted[:, :, :3], batch.view_normal, dim=2)
        covered = batch.view_rgba[:, :, 3] > 0.9
        degrees = torch.rad2deg(cosine.clamp(-1, 1).acos())[covered].mean().item()
        return error, self._noising.weight(steps), degrees


def clean_target(
    net: NanoDenoiser, rgba: Float[Tensor, "batch 6 4 h w"], batch: Batch, domain: Tensor
) -> Float[Tensor, "batch 6 4 h w"]:
    """What is denoised: encoded colours, or encoded normals and depth, by each sample's domain."""
    colour = encode_colour(rgba)
    normal = encode_normals(
        batch.view_normal, batch.view_depth, batch.view_rgba[:, :, 3], net.config.view_distance
    )
    return torch.where((domain == NORMAL)[:, None, None, None, None], normal, colour)


def encoded_draft(net: NanoDenoiser, draft: Draft, domain: Tensor) -> Float[Tensor, "batch 6 4 h w"]:
    """The draft as `clean_target` would encode it."""
    normal = encode_normals(draft.normals, draft.depth, draft.rgba[:, :, 3], net.config.view_distance)
    return torch.where((domain == NORMAL)[:, None, None, None, None], normal, encode_colour(draft.rgba))


class _Noising:
    """The forward process of a diffusers scheduler up to `last`, with draws that repeat."""

    def __init__(self, scheduler: DDIMScheduler, last: int) -> None:
        self._last = last
        self._scheduler = scheduler
        self._alphas = scheduler.alphas_cumprod

    def draw_steps(self, count: int, generator: torch.Generator) -> Tensor:
        """Uniform up to the last timestep, but a third of the draws there, where most is decided."""
        steps = torch.randint(0, self._last + 1, (count,), generator=generator)
        return torch.where(torch.rand(count, generator=generator) < 0.33, self._last, steps)

    def add(
        self,
        clean: Float[Tensor, "batch 6 4 h w"],
        draft: Float[Tensor, "batch 6 4 h w"],
        steps: Tensor,
        generator: torch.Generator,
    ) -> Float[Tensor, "batch 6 4 h w"]:
        noise = torch.randn(clean.shape, generator=generator).to(clean.device)
        signal = self._alphas[self._last]
        shifted = noise + (signal / (1 - signal)).sqrt() * (draft - clean)
        return self._scheduler.add_noise(clean, shifted, cast(torch.IntTensor, steps))

    def weight(self, steps: Tensor) -> Tensor:
        alphas = self._alphas.to(steps.device)[steps]
        return (1 / (1 - alphas)).clamp(max=_LARGEST_WEIGHT)
