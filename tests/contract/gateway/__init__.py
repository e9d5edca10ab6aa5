"""The gateway over real services."""
