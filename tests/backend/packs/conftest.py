"""Fixtures that the command's tests share."""

from tests.backend.packs.miniature import hub, pack, packs_folder

__all__ = ["hub", "pack", "packs_folder"]
