"""Zero123++ sampling against the original pipeline."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL, ControlNetModel
from diffusers.schedulers import scheduling_euler_ancestral_discrete
from goldens import Golden
from torch import Tensor
from transformers import CLIPTextConfig, CLIPTextModel, CLIPVisionConfig, CLIPVisionModelWithProjection

from backend.models.multiview import zero123plus, zero123plus_condition
from backend.models.multiview.reference_attention import ReferenceAttentionUNet
from backend.models.multiview.zero123plus import (
    Control,
    Zero123Plus,
    Zero123PlusConfig,
    euler_ancestral_scheduler,
    scale_image,
    scale_latents,
    unscale_image,
    unscale_latents,
)
from backend.models.multiview.zero123plus_condition import (
    ConditionConfig,
    composite,
    embedding_pixels,
    latent_pixels,
)

# diffusers' scheduler calls numpy in a way that numpy 2 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture(scope="module")
def zp(golden: Callable[..., Golden]) -> Golden:
    return golden("zero123plus")


@pytest.fixture(scope="module")
def unet(zp: Golden) -> ReferenceAttentionUNet:
    model = ReferenceAttentionUNet(**zp.config["unet"]).eval()
    model.load_state_dict(zp.state("unet_state"))
    return model


@pytest.fixture(scope="module")
def vae(zp: Golden) -> AutoencoderKL:
    model = AutoencoderKL(**zp.config["vae"]).eval()
    model.load_state_dict(zp.state("vae_state"))
    return model


@pytest.fixture(scope="module")
def vision_encoder(zp: Golden) -> CLIPVisionModelWithProjection:
    model = CLIPVisionModelWithProjection(CLIPVisionConfig(**zp.config["vision_encoder"])).eval()
    model.load_state_dict(zp.state("vision_encoder_state"))
    return model


@pytest.fixture(scope="module")
def controlnet(zp: Golden) -> ControlNetModel:
    config = {key: value for key, value in zp.config["controlnet"].items() if not key.startswith("_")}
    model = ControlNetModel(**config).eval()
    model.load_state_dict(zp.state("controlnet_state"))
    return model


def replay_draws(zp: Golden, run: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every random draw is the one that the original program made at that point."""
    draws = iter(zp.inputs_under(f"{run}/draw_"))

    def recorded(shape: Sequence[int], **_: Any) -> Tensor:
        draw = next(draws)
        assert tuple(draw.shape) == tuple(shape)
        return draw

    for module in (zero123plus, zero123plus_condition, scheduling_euler_ancestral_discrete):
        monkeypatch.setattr(module, "randn_tensor", recorded)


def sampler(
    zp: Golden,
    unet: ReferenceAttentionUNet,
    vae: AutoencoderKL,
    vision_encoder: CLIPVisionModelWithProjection,
    background: int,
) -> Zero123Plus:
    config = Zero123PlusConfig(
        height=zp.config["height"],
        width=zp.config["width"],
        condition=ConditionConfig(
            background=background,
            latent_size=zp.config["feature_extractor_vae"]["size"]["shortest_edge"],
            embedding_size=zp.config["feature_extractor_clip"]["size"]["shortest_edge"],
        ),
        ramping=tuple(zp.config["ramping_coefficients"]),
    )
    return Zero123Plus(unet, vae, vision_encoder, zp.output("empty_prompt_embeds"), config)


@pytest.mark.parametrize(
    ("background", "name"),
    [(127, "to_rgb_image_zero123plus_gray127"), (255, "to_rgb_image_instantmesh_white255")],
)
def test_transparent_pixels_take_the_background(zp: Golden, background: int, name: str) -> None:
    np.testing.assert_array_equal(
        np.asarray(composite(zp.array("cond_rgba_u8"), background)), zp.outputs[name]
    )


def test_condition_pixels(zp: Golden) -> None:
    image = composite(zp.array("cond_rgba_u8"), 255)
    small = ConditionConfig(latent_size=64, embedding_size=28)
    zp.check("feature_extractor_vae_pixel_values", latent_pixels(image, small))
    zp.check("feature_extractor_clip_pixel_values", embedding_pixels(image, small))
    public = ConditionConfig()
    zp.check("real_vae512_rows0_8", latent_pixels(image, public)[:, :, :8])
    zp.check("real_clip224_rows100_108", embedding_pixels(image, public)[:, :, 100:108])


@torch.no_grad()
def test_encoders(zp: Golden, vae: AutoencoderKL, vision_encoder: CLIPVisionModelWithProjection) -> None:
    zp.check("image_embeds", vision_encoder(zp.output("feature_extractor_clip_pixel_values")).image_embeds)
    latents = vae.encode(zp.output("feature_extractor_vae_pixel_values")).latent_dist
    zp.check("vae_latent_mean", latents.mean)
    zp.check("vae_latent_logvar", latents.logvar)
    zp.check("vae_decode", vae.decode(zp.input("vae_decode_latent")).sample)


@torch.no_grad()
def test_empty_prompt(zp: Golden) -> None:
    encoder = CLIPTextModel(CLIPTextConfig(**zp.config["text_encoder"])).eval()
    stored = zp.state("text_encoder_state").items()
    encoder.load_state_dict({name.removeprefix("text_model."): tensor for name, tensor in stored})
    zp.check("empty_prompt_embeds", encoder(zp.input("empty_prompt_ids"))[0])


@pytest.mark.parametrize("scaling", [scale_latents, unscale_latents, scale_image, unscale_image])
def test_scaling(zp: Golden, scaling: Callable[[Tensor], Tensor]) -> None:
    zp.check(scaling.__name__, scaling(zp.input("scale_in")))


@pytest.mark.parametrize("steps", [28, 75])
def test_schedule(zp: Golden, steps: int) -> None:
    scheduler = euler_ancestral_scheduler()
    scheduler.set_timesteps(steps)
    zp.check(f"timesteps{steps}_trailing", scheduler.timesteps)
    zp.check(f"sigmas{steps}_trailing", scheduler.sigmas)
    zp.check(f"init_noise_sigma{steps}", torch.as_tensor(scheduler.init_noise_sigma))
    zp.check("alphas_cumprod", scheduler.alphas_cumprod)


@torch.no_grad()
def test_reference_attention(zp: Golden, unet: ReferenceAttentionUNet) -> None:
    text, timestep = zp.input("ref_encoder_hidden_states"), zp.input("ref_timestep")
    sample = zp.input("ref_sample_scaled_cfg_pair")
    features = unet.reference_features(zp.output("ref_noisy_cond_lat"), timestep, text)
    for name, feature in features.items():
        zp.check(f"refdict/{name}.processor", feature)
    zp.check("ref_unet_out", unet(sample, timestep, text, features))
    zp.check("plain_unet_out_no_reference", unet(sample, timestep, text, None))


@torch.no_grad()
def test_what_bfloat16_costs(zp: Golden, unet: ReferenceAttentionUNet, vae: AutoencoderKL) -> None:
    """The precision on processors with bfloat16 and on GPUs: root mean square relative to the values'."""

    def error(found: Tensor, name: str) -> float:
        exact = zp.output(name)
        return float((found.float() - exact).norm() / exact.norm())

    reduced = ReferenceAttentionUNet(**zp.config["unet"]).eval()
    reduced.load_state_dict(unet.state_dict())
    reduced.to(torch.bfloat16)
    names = ("ref_sample_scaled_cfg_pair", "ref_encoder_hidden_states")
    sample, text = (zp.input(name).bfloat16() for name in names)
    reference = zp.output("ref_noisy_cond_lat").bfloat16()
    features = reduced.reference_features(reference, zp.input("ref_timestep"), text)
    step = error(reduced(sample, zp.input("ref_timestep"), text, features), "ref_unet_out")
    decoder = AutoencoderKL(**zp.config["vae"]).eval()
    decoder.load_state_dict(vae.state_dict())
    image = decoder.to(torch.bfloat16).decode(zp.input("vae_decode_latent").bfloat16()).sample
    decoding = error(image, "vae_decode")
    print(f"bfloat16: denoising step {step:.1e}, decoding {decoding:.1e}")
    assert step < 0.02
    assert decoding < 0.02


RUNS = [
    ("pipe_instantmesh_cfg4_4steps", 255, {"steps": 4, "guidance": 4.0}),
    ("pipe_instantmesh_cfg1_3steps", 255, {"steps": 3, "guidance": 1.0}),
    ("pipe_zero123plus_cfg4_3steps", 127, {"steps": 3, "guidance": 4.0}),
]


@pytest.mark.parametrize(("run", "background", "options"), RUNS)
def test_sampling(
    zp: Golden,
    unet: ReferenceAttentionUNet,
    vae: AutoencoderKL,
    vision_encoder: CLIPVisionModelWithProjection,
    run: str,
    background: int,
    options: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    replay_draws(zp, run, monkeypatch)
    model = sampler(zp, unet, vae, vision_encoder, background)
    image = model.generate(
        zp.array("cond_rgba_u8"),
        torch.Generator(),
        **options,
        on_step=lambda index, latents: zp.check(f"{run}/latents_after_step_{index}", latents),
    )
    zp.check(f"{run}/image_np_hwc01", image.permute(1, 2, 0))


def test_sampling_with_a_controlnet(
    zp: Golden,
    unet: ReferenceAttentionUNet,
    vae: AutoencoderKL,
    vision_encoder: CLIPVisionModelWithProjection,
    controlnet: ControlNetModel,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = "pipe_controlnet_cfg4_3steps"
    replay_draws(zp, run, monkeypatch)
    grid = zp.input("depth_image_u8").permute(2, 0, 1).float() / 255
    zp.check("control_cond_tensor", grid * 2 - 1)
    image = sampler(zp, unet, vae, vision_encoder, 127).generate(
        zp.array("cond_rgba_u8"),
        torch.Generator(),
        steps=3,
        guidance=4.0,
        control=Control(controlnet, grid, 0.75),
        on_step=lambda index, latents: zp.check(f"{run}/latents_after_step_{index}", latents),
    )
    zp.check(f"{run}/image_np_hwc01", image.permute(1, 2, 0))
