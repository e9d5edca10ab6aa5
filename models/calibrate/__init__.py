"""Fits what a model's scores mean; docs/decisions/0035."""
