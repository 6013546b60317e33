"""Cohorts of speakers: found in their voices or told by what is known of them, and whom a recogniser serves worst."""
