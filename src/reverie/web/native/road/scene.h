// What the picture needs to know of a simulation: one vector, laid out as in envs/car_racing/scene.py.
#pragma once
#include "simulation.h"

constexpr int kHull = 0;     // x, y, angle (rad)
constexpr int kTime = 3;     // seconds since reset
constexpr int kWheel = 4;    // four times x, y, angle, phase (rad)
constexpr int kSpeed = 20;   // of the hull
constexpr int kOmega = 21;   // four wheel speeds, rad/s
constexpr int kSteer = 25;   // front left joint angle, rad
constexpr int kGyro = 26;    // hull's angular velocity, rad/s
constexpr int kStateSize = 27;

void read_state(const Simulation& simulation, double* state);
