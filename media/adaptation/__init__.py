"""What each participant sends and receives: the ladder of rungs, its thresholds, and who gets whose picture. Pure."""
