"""Send a local file to S3: in one PUT, or in parts."""
