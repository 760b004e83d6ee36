from __future__ import annotations

import pytest

from backend.packs.sizes import size_text


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (28_950_000, "28.9 MB"), (1_677_246_742, "1.7 GB")],
)
def test_sizes_read_well(count: int, text: str) -> None:
    assert size_text(count) == text
