"""What Sluice does: register uploads, take in objects, work on jobs, sweep."""
