"""The HTTP API's answers: a request's parts in, a response out. `docs/http-api.md` is its reference."""
