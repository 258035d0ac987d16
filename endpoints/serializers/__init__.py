"""What the API reads and answers about endpoints, in the words of endpoints.rules."""
