"""Log patterns: templates mined online from log lines, their names, and which of them are new or bursting (C5).

Stage between capture and detection. Masking and header removal run over whole columns; Python sees distinct shapes.
"""
