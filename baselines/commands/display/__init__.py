"""The live displays of running commands, and the tables that they print at the end."""
