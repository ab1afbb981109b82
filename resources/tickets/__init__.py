"""Tickets in PostgreSQL: what is due at the desk outside, carrying it there, and carrying back what happened there."""
