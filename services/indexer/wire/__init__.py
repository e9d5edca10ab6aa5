"""Between messages and values, both ways; every check of a request is here."""
