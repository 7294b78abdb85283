"""What a request is: its identity, format, options and seeds."""
