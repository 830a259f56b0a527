"""The torus and its metric."""
