"""The version of this package."""

from typing import Final

__version__: Final = "0.1.0"
CLIENT: Final = f"lookalike-client/{__version__}"
"""How the client names itself to the server."""
