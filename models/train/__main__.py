"""`python -m models.train --data DIR`: features, then heads (see train.py)."""

from models.train.train import main

main()
