"""What Sluice does, in terms of its ports."""
