"""Audio files as samples at their own rate: below the sources and the transforms, which both read sound."""
