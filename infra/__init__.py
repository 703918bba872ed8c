"""What Sluice runs on."""
