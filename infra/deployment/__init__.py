"""A deployment of the application with Chalice, to AWS or to LocalStack.

`configuration` writes a stage's settings and rights, `staging` copies the deployed files, `chalice` runs the
command, and `functions` configures what Chalice does not.
"""
