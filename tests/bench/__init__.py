"""Speed and memory: ``make bench`` writes bench.json, each figure beside a baseline of the same run."""
