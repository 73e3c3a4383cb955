// Where the camera looks: world units to pixels of Gymnasium's window (see envs/car_racing/camera.py).
#pragma once

struct Point {
    double x, y;
};

struct Camera {
    double c, s;          // cosine and sine of its turn
    double zoom;          // pixels per unit, growing in the first second
    double tx, ty;        // shift in pixels
    double car_x, car_y;  // in the world

    explicit Camera(const double* state);

    // Middle of the pixel that a point falls into.
    Point pixel(double x, double y) const;
};

// How far a drawn edge with unit normal (x, y) reaches beyond its polygon, in pixels.
double fat(double x, double y);
