"""Fits a model of the registry to one shop: `lookalike-train adapt` (docs/adapting.md)."""
