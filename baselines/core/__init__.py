"""What everything else stands on; nothing in it is about memory."""
