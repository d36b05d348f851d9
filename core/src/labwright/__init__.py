"""labwright makes the virtual machines of a network lab, from nothing to a learner's login."""

__version__ = "0.1.0"
