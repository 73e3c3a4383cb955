"""VizDoom's Take Cover: step aside of fireballs, for as long as you can."""
