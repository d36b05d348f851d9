"""What provisioning a Linux image means, whatever the way into it: base set, login, SSH, playbook, seal."""
