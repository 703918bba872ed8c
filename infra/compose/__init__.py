"""The tools that the containers of `docker-compose.yml` run beside the service itself."""
