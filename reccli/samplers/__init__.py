"""Built-in samplers, one per file."""
