"""One section of a report per file: frames in, figures, sentences, charts and tables out."""
