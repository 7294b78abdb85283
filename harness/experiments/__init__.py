"""The experiments that come with the package: guests, registered by entry points like anybody's."""
