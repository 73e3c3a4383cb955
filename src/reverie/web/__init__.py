"""A run in a browser: V, M and C as WebAssembly, in one page that needs no server."""
