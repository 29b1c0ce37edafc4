"""Finding the best items of each user: exact, in bounded memory, whatever the device and the blocks."""
