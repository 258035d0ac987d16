"""Pages that make and change what an account has."""
