"""Only so that tests can import ``docs._pages``, which writes pages of the documentation."""
