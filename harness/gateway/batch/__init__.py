"""Calls that wait for nothing, sent together through a provider's batch API at half the price."""
