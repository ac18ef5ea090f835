"""The leaderboard: records -> tables -> pages, a static site that opens from a file. Knows no plugin."""
