"""What is run from the command line: `bench`, `hunt` and `report` by `python -m attnlib`, `stills`
by `jupyter nbconvert --to stills`.
"""
