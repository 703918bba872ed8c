"""What the containers of `docker-compose.yml` run that is not the service itself."""
