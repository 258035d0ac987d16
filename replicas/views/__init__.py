"""The pages of endpoints and their replicas, and what can be done there."""
