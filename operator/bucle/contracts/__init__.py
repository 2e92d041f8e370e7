"""What passes between the operator and its pods. Standard library and pydantic only; imported by both sides."""
