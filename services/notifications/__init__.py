"""What members hear: notices of loans and memberships, the channels that carry them, and what became of each."""
