"""Tests of protos/equivox."""
