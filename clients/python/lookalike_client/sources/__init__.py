"""Catalogues on disk: folders of product folders, JSONL and CSV files."""

from lookalike_client.sources.catalogue import Catalogue

__all__ = ["Catalogue"]
