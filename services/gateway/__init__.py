"""The door of the system: catalogues in, look-alikes out. Rooms are listed in README.md."""
