"""What breaks. Each fault is struck, lasts, and is over when its function returns."""
