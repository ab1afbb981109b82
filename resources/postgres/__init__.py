"""Records: PostgreSQL, embedded or external. Server, connections, migrations and one repository per kind of record."""
