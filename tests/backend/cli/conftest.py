"""Fixtures of the packs' own tests, for those of the command."""

from tests.backend.packs.miniature import hub, pack, packs_folder

__all__ = ["hub", "pack", "packs_folder"]
