"""The process that a lab lives in: it holds its QEMUs, carries frames between them, and lets learners in."""
