"""A shift register of parities: is it there, and do errors pass along it?"""

from baselines.analysis.register.measurement import Register
from baselines.analysis.settings import RegisterSettings

__all__ = ["Register", "RegisterSettings"]
