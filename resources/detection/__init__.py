"""Detection on the platform's storage: rules in force, the samples they look at, what fires."""
