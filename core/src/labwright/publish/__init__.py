"""Delivered images to and from a registry: as the forms that platforms run, with what vouches for them."""
