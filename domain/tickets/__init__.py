"""Tickets at a desk outside (Jira): what they say, which state stands for which, what a change there means here (H1, E2)."""
