"""The API on what runs: endpoints with their replicas, hardware, logs."""
