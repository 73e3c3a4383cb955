#include "scene.h"

#include <cmath>

void read_state(const Simulation& simulation, double* state) {
    const b2Body& hull = *simulation.car.hull;
    state[kHull] = hull.GetPosition().x;
    state[kHull + 1] = hull.GetPosition().y;
    state[kHull + 2] = hull.GetAngle();
    state[kTime] = simulation.time;
    for (int k = 0; k < kWheels; ++k) {
        const Wheel& wheel = simulation.car.wheels[k];
        double* at = state + kWheel + 4 * k;
        at[0] = wheel.body->GetPosition().x;
        at[1] = wheel.body->GetPosition().y;
        at[2] = wheel.body->GetAngle();
        at[3] = wheel.phase;
        state[kOmega + k] = wheel.omega;
    }
    const double vx = hull.GetLinearVelocity().x, vy = hull.GetLinearVelocity().y;
    state[kSpeed] = std::sqrt(vx * vx + vy * vy);
    state[kSteer] = simulation.car.wheels[0].joint->GetJointAngle();
    state[kGyro] = hull.GetAngularVelocity();
}
