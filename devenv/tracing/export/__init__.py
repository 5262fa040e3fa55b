"""Export of ended spans to the receiver: redaction, encoding, batches, transport."""
