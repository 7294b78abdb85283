"""Layer 3: studies at large: batches of variants, their registry, comparison and deliverables."""
