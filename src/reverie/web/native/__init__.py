"""C sources for WebAssembly, and what is built from them."""
