"""What a person sees while a command runs, and what it prints at the end."""
