"""Everything that Postgres does for Sluice. The SQL stands in the `.sql` files, by name."""
