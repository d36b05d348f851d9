"""What vouches for an image: its bill of materials, where it comes from, checksums and signatures."""
