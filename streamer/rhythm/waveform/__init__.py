"""What the signal itself says of the rhythm: silence, flutter and fibrillation waves."""
