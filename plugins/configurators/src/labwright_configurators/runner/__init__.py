"""What runs a script, in a folder of its own: Python finds what lies beside a program before it finds libraries."""
