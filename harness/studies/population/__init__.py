"""Survey populations, sampled and simulated: spec → extend → sample → network → persona → scenario → … → results.

Each stage is a function of its input files, options and seed. Nothing here is imported until it is used.
"""
