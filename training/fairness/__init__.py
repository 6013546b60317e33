"""Fair training of a verifier, and what of it can be measured: weights on samples and pairs, groups, constraints."""
