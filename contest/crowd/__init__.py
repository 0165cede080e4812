"""Virtual people: prepared in bulk, driven over HTTP, checked against the database, taken away again."""
