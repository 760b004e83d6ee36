"""How the public checkpoints name what our layers hold."""

from __future__ import annotations

from backend.packs.strict_loading import NameRule


def dino_names(ours: str, stored: str) -> list[NameRule]:
    """Hugging Face's DINO (`ViTModel` up to transformers 4), below the prefixes `ours` and `stored`."""
    block, layer = rf"{ours}\.blocks\.(\d+)", rf"{stored}.encoder.layer.\1"
    return [
        NameRule(rf"{ours}\.class_token", f"{stored}.embeddings.cls_token"),
        NameRule(rf"{ours}\.position_embedding", f"{stored}.embeddings.position_embeddings"),
        NameRule(rf"{ours}\.patch_embedding\.(\w+)", rf"{stored}.embeddings.patch_embeddings.projection.\1"),
        NameRule(rf"{block}\.norm1\.(\w+)", rf"{layer}.layernorm_before.\2"),
        NameRule(rf"{block}\.norm2\.(\w+)", rf"{layer}.layernorm_after.\2"),
        NameRule(rf"{block}\.attention\.(query|key|value)\.(\w+)", rf"{layer}.attention.attention.\2.\3"),
        NameRule(rf"{block}\.attention\.out\.(\w+)", rf"{layer}.attention.output.dense.\2"),
        NameRule(rf"{block}\.mlp\.up\.(\w+)", rf"{layer}.intermediate.dense.\2"),
        NameRule(rf"{block}\.mlp\.down\.(\w+)", rf"{layer}.output.dense.\2"),
        NameRule(rf"{block}\.modulation\.(.+)", rf"{layer}.adaLN_modulation.\2"),
        NameRule(rf"{ours}\.norm\.(\w+)", rf"{stored}.layernorm.\1"),
    ]


def dinov2_names(ours: str, stored: str) -> list[NameRule]:
    """DINOv2's own repository."""
    block, layer = rf"{ours}\.blocks\.(\d+)", rf"{stored}.blocks.\1"
    return [
        NameRule(rf"{ours}\.class_token", f"{stored}.cls_token"),
        NameRule(rf"{ours}\.position_embedding", f"{stored}.pos_embed"),
        NameRule(rf"{ours}\.registers", f"{stored}.register_tokens"),
        NameRule(rf"{ours}\.patch_embedding\.(\w+)", rf"{stored}.patch_embed.proj.\1"),
        *(
            NameRule(rf"{block}\.attention\.{name}\.(\w+)", rf"{layer}.attn.qkv.\2", part=(index, 3))
            for index, name in enumerate(("query", "key", "value"))
        ),
        NameRule(rf"{block}\.attention\.out\.(\w+)", rf"{layer}.attn.proj.\2"),
        NameRule(rf"{block}\.gain(\d)\.weight", rf"{layer}.ls\2.gamma"),
        NameRule(rf"{block}\.mlp\.up\.(\w+)", rf"{layer}.mlp.fc1.\2"),
        NameRule(rf"{block}\.mlp\.down\.(\w+)", rf"{layer}.mlp.fc2.\2"),
        NameRule(rf"{block}\.(norm\d)\.(\w+)", rf"{layer}.\2.\3"),
        NameRule(rf"{ours}\.norm\.(\w+)", rf"{stored}.norm.\1"),
    ]


def triplane_transformer_names(ours: str, stored: str) -> list[NameRule]:
    """The blocks that InstantMesh and OpenLRM share; their attention is `nn.MultiheadAttention`'s."""
    block, layer = rf"{ours}\.blocks\.(\d+)", rf"{stored}.layers.\1"
    attention = rf"{block}\.(cross|self)_attention"
    projections = []
    for index, name in enumerate(("query", "key", "value")):
        # One fused matrix, or three when the context is of another width.
        projections += [
            NameRule(rf"{attention}\.{name}\.weight", rf"{layer}.\2_attn.in_proj_weight", (index, 3)),
            NameRule(rf"{attention}\.{name}\.weight", rf"{layer}.\2_attn.{name[0]}_proj_weight"),
        ]
    return [
        *projections,
        NameRule(rf"{attention}\.out\.weight", rf"{layer}.\2_attn.out_proj.weight"),
        NameRule(rf"{block}\.mlp\.up\.(\w+)", rf"{layer}.mlp.0.\2"),
        NameRule(rf"{block}\.mlp\.down\.(\w+)", rf"{layer}.mlp.3.\2"),
        NameRule(rf"{block}\.(norm\d)\.projection\.(.+)", rf"{layer}.\2.mlp.\3"),
        NameRule(rf"{block}\.(norm\d)\.norm\.(\w+)", rf"{layer}.\2.norm.\3"),
        NameRule(rf"{block}\.(norm\d)\.norm\.(\w+)", rf"{layer}.\2.\3"),
        NameRule(rf"{ours}\.norm\.(\w+)", rf"{stored}.norm.\1"),
    ]


INSTANTMESH_NAMES = (
    *dino_names(r"encoder\.transformer", "encoder.model"),
    NameRule(r"encoder\.camera_embedding\.(.+)", r"encoder.camera_embedder.\1"),
    *triplane_transformer_names("transformer", "transformer"),
    NameRule(r"transformer\.position_embedding", "transformer.pos_embed"),
    NameRule(r"transformer\.upsample\.(\w+)", r"transformer.deconv.\1"),
    NameRule(r"decoder\.(sdf|rgb|deformation|weight)\.(.+)", r"synthesizer.decoder.net_\1.\2"),
    NameRule(r"decoder\.radiance\.(.+)", r"synthesizer.decoder.net.\1"),
)
"""InstantMesh and InstantNeRF, without the checkpoint's `lrm_generator.` prefix."""

OPENLRM_NAMES = (
    *dinov2_names(r"encoder", "encoder.model"),
    NameRule(r"camera_embedding\.(.+)", r"camera_embedder.mlp.\1"),
    *triplane_transformer_names("transformer", "transformer"),
    NameRule(r"transformer\.position_embedding", "pos_embed"),
    NameRule(r"transformer\.upsample\.(\w+)", r"upsampler.\1"),
    NameRule(r"decoder\.radiance\.(.+)", r"synthesizer.decoder.net.\1"),
)

TRIPOSR_NAMES = (
    *dino_names(r"encoder", "image_tokenizer.model"),
    NameRule(r"tokens", "tokenizer.embeddings"),
    NameRule(r"upsample\.(\w+)", r"post_processor.upsample.\1"),
    NameRule(r"decoder\.(.+)", r"decoder.layers.\1"),
)
TRIPOSR_UNUSED = (r"image_tokenizer\.model\.pooler\.dense\.(weight|bias)",)

CLIP_TEXT_NAMES = (NameRule(r"(.+)", r"text_model.\1"),)
"""Files from transformers up to 4, for the text encoder of transformers 5."""
CLIP_UNUSED = (r"(text_model|vision_model)\.embeddings\.position_ids",)
"""A buffer that transformers before 4.31 also stored."""

_VAE_ATTENTION = r"(.+\.attentions\.\d+)"
LEGACY_VAE_NAMES = tuple(
    rule
    for name, legacy in (("to_q", "query"), ("to_k", "key"), ("to_v", "value"), ("to_out.0", "proj_attn"))
    for rule in (
        NameRule(rf"{_VAE_ATTENTION}\.{name}\.(\w+)", rf"\1.{name}.\2", pointwise=True),
        NameRule(rf"{_VAE_ATTENTION}\.{name}\.(\w+)", rf"\1.{legacy}.\2", pointwise=True),
    )
)
"""diffusers' VAE under its present names or those of its first releases."""
