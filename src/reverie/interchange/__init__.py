"""Episodes of others, as ours, and ours, as others read them: Minari's datasets, and `.npz` files."""
