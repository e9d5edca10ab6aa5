"""Keeps products, their images and vectors, and finds the nearest."""
