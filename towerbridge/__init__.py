"""Towerbridge: multimodal two-tower recommendations, from raw files to a ranked answer."""

__version__ = "0.1.0"
