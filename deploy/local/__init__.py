"""Runs the whole of Lookalike on this machine: the supervisor, the edge, the tools they need."""
