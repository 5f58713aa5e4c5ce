"""What the tests of the four packages share: a stand-in W&B server and a reader of offline runs."""
