"""Simulations: what a playbook would do with the answers there are, against the one that decides today.

Nothing is published and nothing is written.
"""

from services.routing.simulating.report import Example, Line, Side, Simulation
from services.routing.simulating.simulation import Trial, simulate

__all__ = ["Example", "Line", "Side", "Simulation", "Trial", "simulate"]
