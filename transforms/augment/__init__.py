"""What is random: changes of waveforms, features and batches, keyed per sample."""
