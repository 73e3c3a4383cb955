"""How true V's pictures are, and what its latents mean."""
