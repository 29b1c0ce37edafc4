"""Built-in encoders, one per file."""
