"""The defenses that EarlyRobust is compared with, and what every defense is made of."""
