"""From a file to a waveform, and what changes a whole waveform: rate, channels, emphasis."""
