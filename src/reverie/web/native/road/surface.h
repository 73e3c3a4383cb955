// Field, grass, road and kerbs (see envs/car_racing/ground.py and road.py).
#pragma once
#include "cover.h"
#include "simulation.h"

// Coverage by the field in channel 0, by grass patches in channel 1.
void add_ground(Cover<2>& cover, const Camera& camera);

// Coverage in channel 0, coverage times colour in channels 1 to 3.
void add_road(Cover<4>& cover, const Simulation& simulation, const Camera& camera);

// The grey of a tile, 0 to 255.
int shade(const Tiles& tiles, int i);
