"""Loading networks of public packs, at small size."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from transformers import CLIPTextConfig, CLIPTextModel, CLIPVisionConfig, CLIPVisionModelWithProjection

from backend.errors import PackError
from backend.packs.networks import check_networks, load_network, load_networks
from backend.packs.public_names import CLIP_TEXT_NAMES, CLIP_UNUSED
from backend.packs.public_networks import Network, networks_of, openlrm_config

SMALL = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}


def test_a_vision_encoder_loads_and_runs_as_it_was_saved(tmp_path: Path) -> None:
    config = CLIPVisionConfig(**SMALL, image_size=28, patch_size=14, projection_dim=16)
    torch.manual_seed(0)
    original = CLIPVisionModelWithProjection(config).eval()
    stored = original.state_dict() | {"vision_model.embeddings.position_ids": torch.arange(5)[None]}
    save_file(stored, tmp_path / "vision.safetensors")
    network = Network(lambda: CLIPVisionModelWithProjection(config), (), CLIP_UNUSED)
    loaded = load_network(network, tmp_path / "vision.safetensors")
    pixels = torch.randn(1, 3, 28, 28)
    torch.testing.assert_close(loaded(pixels).image_embeds, original(pixels).image_embeds)
    assert not loaded.training
    assert not any(tensor.is_meta for tensor in (*loaded.parameters(), *loaded.buffers()))


def test_a_text_encoder_loads_in_the_precision_of_its_file(tmp_path: Path) -> None:
    config = CLIPTextConfig(**SMALL, vocab_size=50, max_position_embeddings=8, projection_dim=16)
    original = CLIPTextModel(config)
    stored = {f"text_model.{name}": tensor.half() for name, tensor in original.state_dict().items()}
    save_file(stored, tmp_path / "text.safetensors")
    network = Network(lambda: CLIPTextModel(config), CLIP_TEXT_NAMES, CLIP_UNUSED)
    loaded = load_network(network, tmp_path / "text.safetensors")
    assert {parameter.dtype for parameter in loaded.parameters()} == {torch.float16}
    tokens = torch.tensor([[1, 2, 3]])
    expected = original.half().eval()(tokens).last_hidden_state
    torch.testing.assert_close(loaded(tokens).last_hidden_state, expected)


class WithAnUnknownBuffer(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("table", torch.arange(3), persistent=False)


def test_a_buffer_that_nothing_fills_is_named(tmp_path: Path) -> None:
    save_file({}, tmp_path / "empty.safetensors")
    with pytest.raises(PackError, match="WithAnUnknownBuffer wants table"):
        load_network(Network(WithAnUnknownBuffer), tmp_path / "empty.safetensors")


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(PackError, match="no kind of public pack 'huge'"):
        networks_of("huge", {})
    with pytest.raises(PackError, match="no file with the role 'config'"):
        networks_of("openlrm", {})
    with pytest.raises(PackError, match="no file with the role 'reconstructor'"):
        check_networks("triposr", {})
    with pytest.raises(PackError, match="no file with the role 'reconstructor'"):
        load_networks("triposr", {})
    (tmp_path / "config.json").write_text("[1]")
    with pytest.raises(PackError, match=r"config\.json holds no JSON object"):
        networks_of("openlrm", {"config": tmp_path / "config.json"})
    with pytest.raises(PackError, match="does not know 'transformer_dim'"):
        openlrm_config({"encoder_feat_dim": 384})


@pytest.mark.parametrize("content", [b"", b"not safetensors at all", None])
def test_an_unreadable_file_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "model.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(PackError, match=r"model\.safetensors"):
        check_networks("triposr", {"reconstructor": path})
