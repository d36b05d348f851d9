"""Virtual machines: launch, console, SSH, boot test."""
