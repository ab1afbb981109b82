"""Who may do what and see what: roles, the permission table, field protection, the audit chain. Rules only, no storage."""
