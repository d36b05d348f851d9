"""Ways into a guest: a mounted tree, the libguestfs appliance, a booted machine. One interface for all."""
