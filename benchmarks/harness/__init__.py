"""What a benchmark is made of: the machine, the watch, candidates, yardsticks, floors and results."""
