"""What a reply says, and whether it is acceptable."""
