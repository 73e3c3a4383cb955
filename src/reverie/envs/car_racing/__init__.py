"""CarRacing: Gymnasium's physics, frames by our rasteriser."""
