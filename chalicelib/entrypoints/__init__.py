"""The entry points besides HTTP: the worker process, the Lambda worker, S3 events, migrations."""
