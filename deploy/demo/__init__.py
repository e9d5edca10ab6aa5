"""A small catalogue with a clean licence, and three searches over it."""
