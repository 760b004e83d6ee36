"""Multi-head attention and the feed-forward layer, as every transformer here uses them."""

from __future__ import annotations

from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional


class Attention(nn.Module):
    """Scaled dot-product attention from tokens to a context, or to themselves."""

    def __init__(
        self,
        width: int,
        heads: int,
        context_width: int | None = None,
        qkv_bias: bool = False,
        out_bias: bool = False,
    ) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width, bias=qkv_bias)
        self.key = nn.Linear(context_width or width, width, bias=qkv_bias)
        self.value = nn.Linear(context_width or width, width, bias=qkv_bias)
        self.out = nn.Linear(width, width, bias=out_bias)

    def forward(
        self,
        tokens: Float[Tensor, "batch token width"],
        context: Float[Tensor, "batch context_token context_width"] | None = None,
    ) -> Float[Tensor, "batch token width"]:
        context = tokens if context is None else context
        query, key, value = (
            rearrange(x, "b n (h d) -> b h n d", h=self.heads)
            for x in (self.query(tokens), self.key(context), self.value(context))
        )
        attended = functional.scaled_dot_product_attention(query, key, value)
        return self.out(rearrange(attended, "b h n d -> b n (h d)"))


class FeedForward(nn.Module):
    """Linear, GELU (by the error function), Linear."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.up = nn.Linear(width, hidden)
        self.down = nn.Linear(hidden, width)

    def forward(self, tokens: Float[Tensor, "batch token width"]) -> Float[Tensor, "batch token width"]:
        return self.down(functional.gelu(self.up(tokens)))
