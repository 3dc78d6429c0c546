"""What is run from the command line: `bench`, `hunt` and `report` by `python -m attnlib`, `stills`
by `jupyter nbconvert --to stills`; `atlas` makes what is shipped of SmolLM2's heads.
"""
