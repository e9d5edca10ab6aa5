"""Between messages and values, both ways."""
