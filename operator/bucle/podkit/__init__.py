"""What the programs in pods share: store, frames, digests, capture tables."""
