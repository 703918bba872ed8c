"""The command line client of Sluice: it speaks to the HTTP API, and to nothing else of the service."""
