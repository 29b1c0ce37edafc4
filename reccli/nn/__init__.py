"""Public building blocks for authors of components."""
