"""Stage 3: lessons, from a folder to a lab that learners log in to."""
