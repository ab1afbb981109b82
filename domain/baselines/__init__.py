"""What is normal for a series at an hour of the week: the stage between signals and anomalies."""
