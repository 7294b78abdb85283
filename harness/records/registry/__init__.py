"""The registry of runs, and the lock on each."""
