"""Starting the platform on one machine: child processes, their order, and what the terminal shows meanwhile."""
