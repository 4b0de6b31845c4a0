"""What gets lost when broker, network or publisher are hurt."""
