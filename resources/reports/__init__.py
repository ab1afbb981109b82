"""Reports on paper and screen: reading the marts, drawing what domain.reporting composed, writing files."""
