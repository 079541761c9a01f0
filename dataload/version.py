"""The versions of the library, for modules that the package itself imports."""

VERSION = "0.1.0"

# Raised when a transform of the library gives another value for the same input, if only by a bit: what a `Cache` holds
# is computed anew then.
NUMERICS = 1
