"""Cosine to calibrated LLR to decision."""
