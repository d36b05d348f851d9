"""Machines for the kit's tests: namespaces with a systemd, an sshd, sudo, FRR and ifupdown of their own."""
