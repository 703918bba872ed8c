"""The service layer: register uploads, take in objects, work on jobs, sweep."""
