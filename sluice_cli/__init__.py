"""The command line client of Sluice. It knows the service by its HTTP API only."""
