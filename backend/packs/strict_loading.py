"""Weights into a module: every parameter named, none missing, none left over, shapes equal.

A public file may name its tensors otherwise than the module does. `NameRule`s say, for each parameter of
the module, where it is stored; the errors then speak of the file's own names.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from backend.errors import PackError

PROBLEMS_SHOWN = 5


@dataclass(frozen=True)
class NameRule:
    """Where a file keeps some of a module's parameters."""

    module: str
    """Regular expression that the parameter's whole name in the module must match."""
    stored: str
    """The name in the file; \\1, \\2 stand for the expression's groups."""
    part: tuple[int, int] | None = None
    """(index, count): the parameter is one of `count` equal parts of the stored tensor's first axis."""
    pointwise: bool = False
    """The file may hold this matrix as a 1 x 1 convolution."""


def load_strictly(
    module: nn.Module,
    weights: Path | Mapping[str, Tensor],
    rules: Sequence[NameRule] = (),
    ignored: Sequence[str] = (),
    origin: str | None = None,
) -> None:
    """Fill `module` from a safetensors file, or from tensors already read from the file `origin`.

    A parameter that no rule matches is stored under its own name; where several match, the first whose
    name the file has. `ignored` are regular expressions of stored names that the module does without.
    Tensors are taken over, not copied, so build the module on the meta device.

    Raises PackError, naming file and parameters, if the file is unreadable or does not fit exactly.
    """
    if isinstance(weights, Path):
        origin = origin or str(weights)
        weights = read_tensors(weights)
    origin = origin or "the given tensors"
    used: set[str] = set()
    problems: list[str] = []
    state: dict[str, Tensor] = {}
    for name, wanted in module.state_dict().items():
        rule, stored = _stored_name(name, rules, weights)
        if stored not in weights:
            problems.append(f"{stored} is missing")
            continue
        used.add(stored)
        tensor = _extract(weights[stored], rule, wanted)
        if tensor.shape != wanted.shape:
            problems.append(f"{stored} gives {tuple(tensor.shape)} where {tuple(wanted.shape)} is wanted")
        state[name] = tensor
    left_over = (name for name in weights if name not in used and not _matches(name, ignored))
    problems += [f"{name} is not known" for name in left_over]
    if problems:
        raise PackError(_message(origin, type(module).__name__, problems))
    module.load_state_dict(state, strict=True, assign=True)


def read_tensors(path: Path) -> dict[str, Tensor]:
    """A safetensors file as it is stored. Raises PackError if it is missing or not whole."""
    try:
        return load_file(path)
    except FileNotFoundError as error:
        raise PackError(f"{path} is missing: fetch or verify the pack again") from error
    except SafetensorError as error:
        raise PackError(f"{path} is not a whole safetensors file ({error}): fetch the pack again") from error


def _stored_name(
    name: str, rules: Iterable[NameRule], weights: Mapping[str, Tensor]
) -> tuple[NameRule | None, str]:
    candidates: list[tuple[NameRule | None, str]] = []
    for rule in rules:
        match = re.fullmatch(rule.module, name)
        if match:
            candidates.append((rule, match.expand(rule.stored)))
    for rule_and_name in candidates:
        if rule_and_name[1] in weights:
            return rule_and_name
    return candidates[0] if candidates else (None, name)


def _extract(stored: Tensor, rule: NameRule | None, wanted: Tensor) -> Tensor:
    if rule is None:
        return stored
    if rule.pointwise and stored.shape[2:] == (1, 1) and wanted.ndim == 2:
        stored = stored.flatten(1)
    if rule.part is None:
        return stored
    index, count = rule.part
    # A copy, or the parts would keep sharing one storage and could not be saved apart.
    return stored.tensor_split(count)[index].clone()


def _matches(name: str, patterns: Iterable[str]) -> bool:
    return any(re.fullmatch(pattern, name) for pattern in patterns)


def _message(origin: str, module: str, problems: Sequence[str]) -> str:
    shown = "; ".join(problems[:PROBLEMS_SHOWN])
    more = f"; and {len(problems) - PROBLEMS_SHOWN} more" if len(problems) > PROBLEMS_SHOWN else ""
    return f"{origin} does not hold a {module}: {shown}{more}. Is it the file that the pack names?"
