"""Printed documents: plain values in, the bytes of a PDF out; the same values give the same bytes."""
