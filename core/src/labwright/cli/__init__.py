"""The command line: one module a noun."""

import os

# pydantic looks for plugins of its own in every installed package, and one with damaged metadata would end every
# command of ours there. Here, since it looks when its first class is made.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
