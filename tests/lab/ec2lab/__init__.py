"""A small EC2 on one machine, for tests: moto answers the API, this package gives its instances machines.

docs/LAB.md says what it is for and what it adds to moto. Start it with `python -m ec2lab`.
"""

# First of all: it must come before moto, whatever is imported next.
from . import images as images
