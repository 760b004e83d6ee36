"""Bozzetto's backend: one reference image in, one textured PBR asset out."""
