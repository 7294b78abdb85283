"""The packaged experiments: guests, registered by entry points like those of other packages."""
