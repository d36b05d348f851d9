"""What a person and what a program sees."""
