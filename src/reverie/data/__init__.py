"""Episodes on disk, frame and sequence samplers, latents."""
