"""Auxiliary tasks of fine-tuning, one a file."""
