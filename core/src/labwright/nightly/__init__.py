"""The nightly build: many images, in order, within a budget; published, and reported on a page a night."""
