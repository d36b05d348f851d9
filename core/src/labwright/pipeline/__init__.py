"""Steps, their content keys, resume."""
