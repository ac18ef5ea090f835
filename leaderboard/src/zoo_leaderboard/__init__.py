"""The leaderboard: turns records into a static site that opens from disk. It imports no plugin."""
