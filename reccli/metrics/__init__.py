"""Built-in metrics, one definition a file, found through the entry points `reccli.metrics`."""
