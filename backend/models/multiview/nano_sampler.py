"""Nano's view and normal models: the denoiser, its schedule and its guidance put to use."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import torch
from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from backend.geometry.cameras import Cameras
from backend.geometry.reference_hues import take_hues
from backend.models.interfaces import GeneratedViews, OnStep, SeenSurfaces
from backend.models.multiview.draft import Draft, Draftsman
from backend.models.multiview.nano_denoiser import (
    COLOUR,
    NORMAL,
    Conditioning,
    NanoDenoiser,
    NanoNormalControl,
    decode_colour,
    decode_normals,
    encode_colour,
    encode_normals,
)

VIEW_START, NORMAL_START = 99, 249
"""Timesteps at which denoising starts, from the noised draft instead of from pure noise (SDEdit, Meng et al.
2022). Training shifts the noise's mean so that the path from truth leads to the draft (ResShift, Yue et al.
2023); see training/train_views.py. From 249 the colours kept some of the noise that they began with."""
TRAIN_STEPS = 1000


def make_scheduler() -> DDIMScheduler:
    """DDIM over a cosine schedule with zero terminal SNR (Lin et al. 2024), the network predicting x0."""
    return DDIMScheduler(
        num_train_timesteps=TRAIN_STEPS,
        beta_schedule="squaredcos_cap_v2",
        prediction_type="sample",
        timestep_spacing="trailing",
        rescale_betas_zero_snr=True,
        clip_sample=True,
    )


class NanoViewModel:
    """The reference image to six RGBA views."""

    def __init__(
        self, denoiser: NanoDenoiser, draftsman: Draftsman, default_steps: int, default_guidance: float
    ) -> None:
        self.denoiser = denoiser
        self.draftsman = draftsman
        self.default_steps = default_steps
        self.default_guidance = default_guidance
        self.reference_size = draftsman.net.config.image_size

    @property
    def cameras(self) -> Cameras:
        return self.denoiser.cameras

    @torch.no_grad()
    def generate(
        self, reference: Float[Tensor, "4 h w"], *, steps: int, guidance: float, seed: int, on_step: OnStep
    ) -> GeneratedViews:
        """Denoise the noised draft; with guidance other than 1 each step also runs without the reference."""
        draft = self.draftsman(reference)
        guided = guidance != 1.0
        keep = torch.tensor([0.0, 1.0] if guided else [1.0], device=reference.device)
        condition = _condition(self.denoiser, draft, COLOUR, keep)
        domain = torch.full_like(keep, COLOUR, dtype=torch.long)

        def predict(noisy: Tensor, timestep: Tensor) -> Tensor:
            batch = noisy.expand(len(keep), *noisy.shape[1:])
            clean = self.denoiser(batch, timestep.expand(len(keep)), condition, domain).float()
            return clean[:1] + guidance * (clean[1:] - clean[:1]) if guided else clean

        views = draft.rgba[0]

        def show(done: int, total: int, clean: Tensor) -> None:
            nonlocal views
            views = _with_hues_of(reference, decode_colour(clean[0]))
            on_step(done, total, views)

        _denoise(predict, encode_colour(draft.rgba), VIEW_START, steps, seed, show)
        return GeneratedViews(views, float(draft.elevation[0]), _seen(draft, reference))


def _with_hues_of(
    reference: Float[Tensor, "4 h w"], views: Float[Tensor, "view 4 size size"]
) -> Float[Tensor, "view 4 size size"]:
    """What noise is left after so few steps is of every hue; the object's own are in the reference."""
    present, wanted = (image.float().movedim(-3, -1).cpu().numpy() for image in (views, reference))
    return torch.from_numpy(take_hues(present, wanted)).movedim(-1, -3).to(views)


def _seen(draft: Draft, reference: Float[Tensor, "4 h w"]) -> SeenSurfaces:
    """The draft's surfaces at the reference's resolution: thin parts are a pixel wide at half of it."""
    front, back = (
        functional.interpolate(surface, reference.shape[-2:], mode="bilinear")[0]
        for surface in (draft.front, draft.back)
    )
    return SeenSurfaces(front, back, reference[3] > 0.5)


class NanoNormalModel:
    """RGB views to world normals and depth, with the frozen denoiser steered by the ControlNet."""

    def __init__(
        self,
        denoiser: NanoDenoiser,
        control: NanoNormalControl,
        draftsman: Draftsman,
        default_steps: int,
    ) -> None:
        self.denoiser = denoiser
        self.control = control
        self.draftsman = draftsman
        self.default_steps = default_steps

    @torch.no_grad()
    def generate(
        self,
        reference: Float[Tensor, "4 h w"],
        rgba: Float[Tensor, "view 4 size size"],
        *,
        steps: int,
        seed: int,
        on_step: OnStep,
    ) -> tuple[Float[Tensor, "view 3 size size"], Float[Tensor, "view size size"]]:
        """Normals are unit vectors everywhere; depth is meaningful where the views are opaque."""
        draft = self.draftsman(reference)
        condition = _condition(self.denoiser, draft, NORMAL, None)
        domain = torch.tensor([NORMAL], device=reference.device)

        def predict(noisy: Tensor, timestep: Tensor) -> Tensor:
            grid = self.denoiser.input_grid(noisy, condition)
            residuals = self.control(grid, timestep, condition.tokens, rgba[None])
            return self.denoiser(noisy, timestep, condition, domain, residuals).float()

        def show(done: int, total: int, clean: Tensor) -> None:
            on_step(done, total, clean[0, :, :3])

        distance = self.denoiser.config.view_distance
        start = encode_normals(draft.normals, draft.depth, draft.rgba[:, :, 3], distance)
        return decode_normals(_denoise(predict, start, NORMAL_START, steps, seed, show)[0], distance)


def _condition(denoiser: NanoDenoiser, draft: Draft, domain: int, keep: Tensor | None) -> Conditioning:
    """The write pass, once for all steps; a batch of as many as `keep` has entries."""
    count = 1 if keep is None else len(keep)

    def repeated(tensor: Tensor) -> Tensor:
        return tensor.expand(count, *tensor.shape[1:])

    return denoiser.condition(
        repeated(draft.reference),
        repeated(draft.front),
        repeated(draft.rgba),
        repeated(draft.positions),
        repeated(draft.elevation),
        torch.full((count,), domain, device=draft.front.device),
        keep,
    )


def _denoise(
    predict: Callable[[Tensor, Tensor], Tensor],
    start: Float[Tensor, "1 6 4 h w"],
    begin: int,
    steps: int,
    seed: int,
    show: OnStep,
) -> Float[Tensor, "1 6 4 h w"]:
    """The clean views that `predict` (noisy views and timestep to clean ones) makes of `start`, noised as at
    timestep `begin`."""
    scheduler = make_scheduler()
    # As many steps over the whole schedule as leave `steps` of them from `begin` down.
    scheduler.set_timesteps(steps * TRAIN_STEPS // (begin + 1), device=start.device)
    timesteps = scheduler.timesteps[-steps:]
    # Noise is drawn on the CPU, so that a seed means the same on every device.
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(start.shape, generator=generator).to(start.device)
    noisy = scheduler.add_noise(start, noise, cast(torch.IntTensor, timesteps[:1]))
    clean = start
    for done, timestep in enumerate(timesteps, start=1):
        clean = predict(noisy, timestep[None])
        noisy = scheduler.step(clean, timestep, noisy, return_dict=False)[0]
        show(done, len(timesteps), clean)
    return clean
