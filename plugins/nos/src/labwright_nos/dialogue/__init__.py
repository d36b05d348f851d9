"""Talking to a serial console: what comes is cleaned and read by the line, what is typed follows the profile."""
