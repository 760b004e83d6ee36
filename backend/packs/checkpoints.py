"""Pickled checkpoints to safetensors, once, when a pack is installed. Nothing else is ever unpickled.

A pickle can run code when it is read. torch's `weights_only` reader knows tensors and plain containers and
refuses the rest; a checkpoint that needs more is not installed.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from backend.errors import PackError
from backend.packs.catalogue import HubFile

_STATE = "state_dict"
"""Where training frameworks keep the weights beside the optimizer and the like."""


def convert_checkpoint(checkpoint: Path, file: HubFile, destination: Path) -> None:
    """Write the weights of a torch checkpoint as safetensors.

    The tensors stay in their precision. They are mapped from the disk, not read as a whole, so that memory
    holds little more than what is being written.

    Raises:
        PackError: the checkpoint holds anything but tensors and plain containers, is damaged, is of torch's
            format before 1.6, or has no tensor of the wanted names; the disk is full.
    """
    tensors = _select(_read(checkpoint, file.path), file)
    if not tensors:
        raise PackError(f"{file.path} holds no weights named {file.strip or ''}*: is it the pack's file?")
    part = destination.with_name(f"{destination.name}.part")
    try:
        save_file(tensors, part)
    except (SafetensorError, ValueError) as error:
        raise PackError(f"{file.path} could not be converted to {part} ({_first_line(error)}).") from error
    part.replace(destination)


def _read(checkpoint: Path, name: str) -> Mapping[object, object]:
    try:
        content = torch.load(checkpoint, map_location="cpu", weights_only=True, mmap=True)
    except pickle.UnpicklingError as error:
        raise PackError(
            f"{name} is refused: it is a pickle that asks for more than tensors, which could run code "
            f"({_first_line(error)}). Use the file that the pack names."
        ) from error
    except (RuntimeError, OSError, EOFError, ValueError, KeyError) as error:
        raise PackError(f"{name} is no readable torch checkpoint ({_first_line(error)}).") from error
    if isinstance(content, dict) and isinstance(content.get(_STATE), dict):
        content = content[_STATE]
    if not isinstance(content, dict):
        raise PackError(f"{name} holds a {type(content).__name__}, wanted tensors by name.")
    return content


def _select(content: Mapping[object, object], file: HubFile) -> dict[str, Tensor]:
    prefix = file.strip or ""
    tensors: dict[str, Tensor] = {}
    storages: set[int] = set()
    for name, value in content.items():
        if not isinstance(name, str):
            raise PackError(f"{file.path} holds something under {name!r}, wanted tensors by name.")
        if not name.startswith(prefix) or any(word in name for word in file.drop):
            continue
        if not isinstance(value, Tensor):
            raise PackError(f"{file.path} holds a {type(value).__name__} under {name!r}, wanted a tensor.")
        value = value.contiguous()
        storage = value.untyped_storage().data_ptr()
        # safetensors wants no two tensors in one storage; a tied one is rare enough to be copied.
        tensors[name.removeprefix(prefix)] = value.clone() if storage in storages else value
        storages.add(storage)
    return tensors


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0]
