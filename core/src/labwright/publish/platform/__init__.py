"""The platform's container: a machine that starts in it, with no privilege beyond raw sockets for its cables."""
