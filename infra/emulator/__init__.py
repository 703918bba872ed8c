"""LocalStack as a target: the resources and the application on it, wherever it runs."""
