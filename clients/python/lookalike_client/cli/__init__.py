"""The command `lookalike`."""

from lookalike_client.cli.main import main

__all__ = ["main"]
