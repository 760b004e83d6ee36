"""Bozzetto's backend: one reference image in, one textured PBR asset out."""

__version__ = "0.1.0"
