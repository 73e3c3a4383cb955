// CarRacing's observation: 96 x 96 RGB, equal to that of envs/car_racing/raster.py.
#pragma once
#include "scene.h"

constexpr int kSide = 96;

// Colour planes of the picture without its panel, as sums of shares of levels.
struct Planes {
    float rows[84][3][kSide];
};

// pygame shrinks in two passes that round down; each loses a level even where the colour is flat.
constexpr float kLoss = 1.02f;

// The car, drawn over the planes (bodywork.cpp).
void draw_car(Planes& planes, const double* state);

// The indicator panel, in the bottom 12 rows: out (12, 96, 3) (panel.cpp).
void draw_panel(uint8_t* out, const double* state, double reward);

// The whole observation: out (96, 96, 3).
void draw_picture(uint8_t* out, const Simulation& simulation, const double* state);
