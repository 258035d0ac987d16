"""What a person types on the pages, checked in the words of endpoints.rules."""
