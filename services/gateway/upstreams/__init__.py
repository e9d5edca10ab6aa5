"""The services behind this one, through their stubs."""
