"""A tree to partitions to a qcow2, and the inspection of what cannot be trusted."""
