"""Wire formats: each message in one definition, encoders, checks, JSON Schema, AsyncAPI."""
