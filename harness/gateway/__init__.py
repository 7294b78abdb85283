"""Layer 1: the gateway, the only way out to a model."""
