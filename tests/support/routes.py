"""The routes of the API that do something. Each path has OPTIONS as well."""

import app as deployed

ROUTES = [
    (method, path)
    for path, methods in deployed.app.routes.items()
    for method in methods
    if method != "OPTIONS"
]
