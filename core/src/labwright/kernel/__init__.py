"""Fragments to a configuration, its review, and the compiled kernel."""
