"""HTML pages of results: one self-contained file per experiment, comparison or leaderboard."""
