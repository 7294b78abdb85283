"""The rehearsal model: offline and deterministic."""
