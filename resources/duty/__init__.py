"""What the platform watches of itself so that somebody is told in time: notification, capture, Dagster; and what it throws away."""
