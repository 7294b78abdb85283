"""The gateway's HTTP server, for everything that is not in this process."""
