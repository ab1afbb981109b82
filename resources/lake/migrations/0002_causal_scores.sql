-- The file, in the folder of the platform's state, that holds the causal score of every series up to the mark `causal_scores`.
-- One row. What the score finds is in anomalies with detector 'causal'.
CREATE TABLE causal_states (file VARCHAR, series BIGINT, bytes BIGINT, saved_at TIMESTAMPTZ);
