"""pytest's own plug-in for tests of plug-ins."""

pytest_plugins = ["pytester"]
