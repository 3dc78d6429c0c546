"""What is run from the command line: bench, report, and a page with still pictures."""
