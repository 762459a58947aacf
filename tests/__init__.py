import environment  # noqa: F401 - a wrong Python ends here
