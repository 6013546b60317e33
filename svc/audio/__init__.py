"""Bytes to frames: decoding, resampling, chunking, the log-mel front end, voice activity."""
