"""Programs that run in pods; each is `python -m bucle.pods.<program>`."""
