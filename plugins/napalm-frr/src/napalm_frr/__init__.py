"""NAPALM driver for FRR."""
