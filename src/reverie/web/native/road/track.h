// Gymnasium's CarRacing track generator: the same operations in the same order (see envs/car_racing/track.py).
#pragma once
#include "random.h"

constexpr double kPi = 3.141592653589793;
constexpr double kScale = 6.0;
constexpr double kTrackWidth = 40 / kScale;
constexpr int kMaxTiles = 1536;  // more than any lap of the generator

struct TrackPoint {
    double alpha, beta, x, y;
};

// Left x, y and right x, y of the road at a track point.
struct Edge {
    double left_x, left_y, right_x, right_y;
};

struct Track {
    int count = 0;
    TrackPoint points[kMaxTiles];
    Edge edges[kMaxTiles];     // tile i lies between edge i and edge i - 1
    signed char kerbs[kMaxTiles];  // side of the tile's kerb: -1 left, 1 right, 0 none
};

// Draws numbers until they make a lap that closes.
void make_track(Generator& generator, Track& track);
