"""Building blocks for the authors of lessons."""
