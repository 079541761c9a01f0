"""From a waveform to frames and features, with the numbers of other packages as presets."""
