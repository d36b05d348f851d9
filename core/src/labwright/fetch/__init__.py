"""Packages fetched by their hash and kept between builds, and the downloads that this takes."""
