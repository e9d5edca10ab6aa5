"""How Lookalike is run: locally, in containers, behind Envoy, watched by Prometheus."""
