"""`python -m towerbridge` is `towerbridge`."""

from towerbridge.cli import main

main()
