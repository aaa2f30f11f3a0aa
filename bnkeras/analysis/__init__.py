"""What training did to a network: statistics and plots."""
