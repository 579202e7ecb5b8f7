"""What a trained network does, and what its training was like."""
