"""What learners may hand in: other right ways to write each exercise, and wrong ones with the words
that they should meet.

RIGHT   exercise -> functions that must pass
WRONG   exercise -> what was done -> (the function, some words of the answer; "" where no name for
        the mistake is known)

One module for each notebook, as in attnlib/exercises; here they come together.
"""

import importlib
import pkgutil

RIGHT, WRONG = {}, {}
for module in pkgutil.iter_modules(__path__):
    if module.name != "common":
        answers = importlib.import_module(f"answers.{module.name}")
        RIGHT |= answers.RIGHT
        WRONG |= answers.WRONG
