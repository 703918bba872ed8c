"""The views: one function per route. Each takes the request's context and the services that it uses."""
