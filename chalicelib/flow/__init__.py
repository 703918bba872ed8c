"""What Sluice does, in terms of its ports: take an upload's request, its arrival, its job; tell how far it is."""
