"""Two-sided control charts on baseline-standardised residuals (C2): drift that no single point betrays."""
