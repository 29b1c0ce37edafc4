"""The five stages: each a function from a workspace and settings to a committed version."""
