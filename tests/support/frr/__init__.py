"""Routers that run FRR in network namespaces of their own, and an SSH server; nothing outside is touched."""
