"""The version of the library, for modules that the package itself imports."""

VERSION = "0.1.0"
