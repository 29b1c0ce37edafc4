"""Objectives of pre-training, one a file."""
