"""Many patients on one screen."""
