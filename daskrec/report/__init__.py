"""Reports: one HTML file a comparison, which opens in any browser without a network."""
