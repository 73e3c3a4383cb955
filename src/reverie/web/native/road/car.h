// Gymnasium's top-down car (gymnasium/envs/box2d/car_dynamics.py): the same operations in the same order, in double
// precision where Python's floats are, in single precision where Box2D's are.
#pragma once
#include <Box2D/Box2D.h>

#include "track.h"

constexpr double kSize = 0.02;  // world units per unit of the car's drawing
constexpr int kWheels = 4;

struct Wheel {
    b2Body* body;
    b2RevoluteJoint* joint;
    double gas = 0, brake = 0, steer = 0;
    double phase = 0, omega = 0;  // angle (rad) and speed of its rolling
    int tiles = 0;                // that it touches

    void step(double dt);
};

struct Car {
    b2Body* hull;
    Wheel wheels[kWheels];

    // The wheels' bodies hold pointers to them: the car must not move in memory.
    Car(b2World& world, const TrackPoint& at);
    Car(const Car&) = delete;

    void control(double steer, double gas, double brake);
    void step(double dt);
};
