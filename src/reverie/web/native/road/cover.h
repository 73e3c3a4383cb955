// Exact coverage of the picture's cells by polygons, in an accumulation buffer (see envs/car_racing/cover.py).
#pragma once
#include "camera.h"

constexpr int kColumns = 96, kRows = 84;  // of the picture without the indicator panel
constexpr double kCellX = 96.0 / 1000, kCellY = 96.0 / 800;  // cells per window pixel

// Signed areas, one plane of columns for each channel of a row; their sums down a column are the shares covered.
template <int channels>
struct Cover {
    float areas[kRows + 1][channels][kColumns];

    // Adds a quadrilateral given in window pixels, corners in either order, with a weight for each channel.
    void add(Point a, Point b, Point c, Point d, const double (&weights)[channels]);

private:
    void add_edge(Point from, Point to, const double (&weights)[channels]);
    void put(int row, int column, double area, const double (&weights)[channels]);
};
