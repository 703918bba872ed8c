"""What calls Sluice, besides HTTP: the worker process, the Lambda worker, S3 events, migrations."""
