"""How true dreams are: how long they stay with the road, and whether they know good drivers from bad."""
