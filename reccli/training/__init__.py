"""The only step loop, and what it needs: batches, optimisers, schedules, checkpoints, validation."""
