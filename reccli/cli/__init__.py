"""The command line: parses, calls a stage, renders. No logic of its own."""
