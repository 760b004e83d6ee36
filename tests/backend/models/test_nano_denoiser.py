from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from backend.geometry.cameras import six_view_cameras
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
    tile,
    untile,
)
from backend.models.presets import TINY
from tests.backend.models.painted_sphere import view_sphere

SIZE = TINY.view_size
STEP = torch.tensor([700])


@pytest.fixture(scope="module")
def denoiser() -> NanoDenoiser:
    torch.manual_seed(0)
    return NanoDenoiser(TINY.denoiser).eval()


def draws(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def inputs(seed: int = 0, batch: int = 1) -> dict[str, Tensor]:
    """Arguments of `condition`: a reference image with an opaque middle, and a draft."""
    generator = torch.Generator().manual_seed(seed)
    reference = torch.rand(batch, 4, SIZE, SIZE, generator=generator)
    reference[:, 3] = 0
    reference[:, 3, 8:24, 8:24] = 1
    draft = torch.rand(batch, 6, 4, SIZE, SIZE, generator=generator)
    return {
        "reference": reference,
        "front": torch.rand(batch, 3, SIZE, SIZE, generator=generator) - 0.5,
        "draft_rgba": draft,
        "draft_positions": (torch.rand(batch, 6, 3, SIZE, SIZE, generator=generator) - 0.5) * draft[:, :, 3:],
        "elevation": torch.full((batch,), 20.0),
        "domain": torch.full((batch,), COLOUR),
    }


def run(denoiser: NanoDenoiser, noisy: Tensor, condition: Conditioning, domain: int = COLOUR) -> Tensor:
    with torch.no_grad():
        return denoiser(noisy, STEP, condition, torch.full((len(noisy),), domain))


def test_view_k_lies_at_row_k_div_2_and_column_k_mod_2() -> None:
    views = torch.arange(6.0)[None, :, None, None, None].expand(2, 6, 3, 4, 5)
    grid = tile(views)
    assert grid.shape == (2, 3, 12, 10)
    for view in range(6):
        row, column = view // 2, view % 2
        assert (grid[:, :, 4 * row : 4 * row + 4, 5 * column : 5 * column + 5] == view).all()


def test_untile_undoes_tile() -> None:
    views = draws(2, 6, 3, 4, 4)
    assert torch.equal(untile(tile(views)), views)


def test_colours_survive_encoding_where_they_are_seen() -> None:
    rgba = view_sphere(six_view_cameras(2.0), SIZE).rgba
    encoded = encode_colour(rgba)
    assert encoded.abs().max() <= 1
    background = rgba[:, 3] == 0
    assert torch.equal(encoded.permute(0, 2, 3, 1)[background][0], torch.tensor([0.0, 0.0, 0.0, -1.0]))
    decoded = decode_colour(encoded)
    torch.testing.assert_close(decoded[:, 3], rgba[:, 3])
    seen = (rgba[:, 3:] > 0.1).expand(-1, 3, -1, -1)
    torch.testing.assert_close(decoded[:, :3][seen], rgba[:, :3][seen], atol=1e-5, rtol=0)
    assert torch.equal(decoded[:, :3].permute(0, 2, 3, 1)[background][0], torch.full((3,), 0.5))


def test_what_the_network_overshoots_is_clamped() -> None:
    decoded = decode_colour(4 * draws(6, 4, 8, 8))
    assert decoded.min() >= 0
    assert decoded.max() <= 1


def test_normals_and_depth_survive_encoding_inside_the_object() -> None:
    views = view_sphere(six_view_cameras(2.0), SIZE)
    encoded = encode_normals(views.normals, views.depth, views.rgba[:, 3], 2.0)
    assert encoded.abs().max() <= 1 + 1e-6
    normals, depth = decode_normals(encoded, 2.0)
    whole = views.rgba[:, 3] == 1
    torch.testing.assert_close(normals.permute(0, 2, 3, 1)[whole], views.normals.permute(0, 2, 3, 1)[whole])
    torch.testing.assert_close(depth[whole], views.depth[whole])
    outside = encoded.permute(0, 2, 3, 1)[views.rgba[:, 3] == 0]
    assert torch.equal(outside, torch.tensor([0.0, 0.0, 0.0, -1.0]).expand_as(outside))


def test_attention_spans_the_views(denoiser: NanoDenoiser) -> None:
    with torch.no_grad():
        condition = denoiser.condition(**inputs())
    noisy = draws(1, 6, 4, SIZE, SIZE)
    changed = noisy.clone()
    changed[0, 0] = draws(4, SIZE, SIZE, seed=1)
    difference = (run(denoiser, noisy, condition) - run(denoiser, changed, condition)).abs()
    assert difference.amax(dim=(0, 2, 3, 4)).min() > 1e-4


def test_each_self_attention_holds_the_tokens_of_all_six_views(denoiser: NanoDenoiser) -> None:
    tokens: list[int] = []
    hooks = [
        module.register_forward_pre_hook(lambda _, arguments: tokens.append(arguments[0].shape[1]))
        for name, module in denoiser.unet.named_modules()
        if name.endswith("attn1")
    ]
    with torch.no_grad():
        condition = denoiser.condition(**inputs())
    run(denoiser, draws(1, 6, 4, SIZE, SIZE), condition)
    for hook in hooks:
        hook.remove()
    one_view = (SIZE // 2 // 2) ** 2  # folded 2 x 2, then down one resolution
    assert tokens == [one_view] * len(hooks) + [6 * one_view] * len(hooks), "the reference, then the views"


@pytest.mark.parametrize("name", ["reference", "front", "draft_rgba", "draft_positions", "elevation"])
def test_every_condition_matters(denoiser: NanoDenoiser, name: str) -> None:
    given = inputs()
    changed = given | {name: inputs(seed=1)[name] if name != "elevation" else torch.tensor([50.0])}
    noisy = draws(1, 6, 4, SIZE, SIZE)
    with torch.no_grad():
        one, two = (run(denoiser, noisy, denoiser.condition(**i)) for i in (given, changed))
    assert (one - two).abs().max() > 1e-5


def test_the_domain_matters(denoiser: NanoDenoiser) -> None:
    noisy = draws(1, 6, 4, SIZE, SIZE)
    with torch.no_grad():
        condition = denoiser.condition(**inputs())
    assert (run(denoiser, noisy, condition) - run(denoiser, noisy, condition, NORMAL)).abs().max() > 1e-4


def test_a_dropped_reference_leaves_only_the_drafts_shape(denoiser: NanoDenoiser) -> None:
    """What guidance compares with: nothing of the image's colours, nor its elevation."""
    given = inputs(batch=2)
    other = inputs(seed=1, batch=2)
    other["draft_positions"] = given["draft_positions"]
    other["draft_rgba"][:, :, 3] = given["draft_rgba"][:, :, 3]
    other["elevation"] = torch.full((2,), 55.0)
    keep = torch.tensor([0.0, 1.0])
    noisy = draws(2, 6, 4, SIZE, SIZE)
    with torch.no_grad():
        one, two = (run(denoiser, noisy, denoiser.condition(**i, keep=keep)) for i in (given, other))
    torch.testing.assert_close(one[0], two[0])
    assert (one[1] - two[1]).abs().max() > 1e-4
    shape = inputs(batch=2)
    shape["draft_rgba"][:, :, 3] = 0
    with torch.no_grad():
        three = run(denoiser, noisy, denoiser.condition(**shape, keep=keep))
    assert (one[0] - three[0]).abs().max() > 1e-4


def test_to_keep_all_is_the_default(denoiser: NanoDenoiser) -> None:
    with torch.no_grad():
        one, two = denoiser.condition(**inputs()), denoiser.condition(**inputs(), keep=torch.ones(1))
    assert torch.equal(one.draft, two.draft)
    assert torch.equal(one.tokens, two.tokens)


def test_the_drafts_rays_are_the_cameras(denoiser: NanoDenoiser) -> None:
    with torch.no_grad():
        draft = untile(denoiser.condition(**inputs()).draft)
    rays = draft[0, :, 7:10].permute(0, 2, 3, 1)
    torch.testing.assert_close(rays, six_view_cameras(TINY.view_distance).rays(SIZE)[1])


def test_a_batch_is_as_good_as_one_by_one(denoiser: NanoDenoiser) -> None:
    given = inputs(batch=2)
    noisy = draws(2, 6, 4, SIZE, SIZE)
    with torch.no_grad():
        together = run(denoiser, noisy, denoiser.condition(**given))
        for k in range(2):
            one = denoiser.condition(**{name: value[k : k + 1] for name, value in given.items()})
            torch.testing.assert_close(
                run(denoiser, noisy[k : k + 1], one)[0], together[k], atol=1e-5, rtol=1e-4
            )


def test_a_fresh_control_changes_nothing_and_is_a_copy_of_its_base(denoiser: NanoDenoiser) -> None:
    control = NanoNormalControl(denoiser).eval()
    noisy, rgba = draws(1, 6, 4, SIZE, SIZE), torch.rand(1, 6, 4, SIZE, SIZE)
    domain = torch.tensor([NORMAL])
    with torch.no_grad():
        condition = denoiser.condition(**inputs() | {"domain": domain})
        residuals = control(denoiser.input_grid(noisy, condition), STEP, condition.tokens, rgba)
        assert all(not r.any() for r in (*residuals[0], residuals[1]))
        assert torch.equal(
            denoiser(noisy, STEP, condition, domain, residuals), denoiser(noisy, STEP, condition, domain)
        )
    base = denoiser.unet.state_dict()
    copied = {name: p for name, p in control.controlnet.state_dict().items() if name in base}
    assert {name.split(".")[0] for name in copied} >= {
        "conv_in",
        "time_embedding",
        "down_blocks",
        "mid_block",
    }
    for name, parameter in copied.items():
        assert torch.equal(parameter, base[name]), name


def test_the_control_reads_the_views(denoiser: NanoDenoiser) -> None:
    torch.manual_seed(1)
    control = NanoNormalControl(denoiser).eval()
    for name, parameter in control.named_parameters():
        if "controlnet_" in name or "controlnet_cond_embedding.conv_out" in name:
            torch.nn.init.normal_(parameter, std=0.1)
    noisy, rgba = draws(1, 6, 4, SIZE, SIZE), torch.rand(1, 6, 4, SIZE, SIZE)
    with torch.no_grad():
        condition = denoiser.condition(**inputs() | {"domain": torch.tensor([NORMAL])})
        grid = denoiser.input_grid(noisy, condition)
        one, two = (control(grid, STEP, condition.tokens, views) for views in (rgba, 1 - rgba))
    assert (one[1] - two[1]).abs().max() > 1e-4
    assert all((a - b).abs().max() > 0 for a, b in zip(one[0][1:], two[0][1:], strict=True))


def test_sizes_follow_the_configuration() -> None:
    config = replace(TINY.denoiser, view_size=16, view_distance=3.0)
    denoiser = NanoDenoiser(config)
    assert denoiser.cameras.positions.norm(dim=1).tolist() == pytest.approx([3.0] * 6)
