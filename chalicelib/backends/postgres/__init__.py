"""The ports that Postgres implements. The `.sql` files hold the statements, by name."""
