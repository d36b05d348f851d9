"""The host: child processes, what is held, what there is."""
