"""New packages for drivers."""
