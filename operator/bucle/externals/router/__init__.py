"""The router in front of a ModelDeployment: what it is told (Envoy documents) and what it says of itself."""
