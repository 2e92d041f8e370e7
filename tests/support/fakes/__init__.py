"""In-memory stand-ins for what the operator talks to. Each rule of FakeKube is also a test against a real API server."""
