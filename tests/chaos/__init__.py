"""People at work while everything breaks: see docs/chaos.md."""
