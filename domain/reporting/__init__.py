"""Reports for people who decide: figures with denominators, sentences, sections. Pure; rendering is in resources/reports."""
