#include "car.h"

#include <algorithm>
#include <cmath>

namespace {

constexpr double kEnginePower = 100000000 * kSize * kSize;
constexpr double kInertia = 4000 * kSize * kSize;  // of a wheel
constexpr double kFrictionLimit = 1000000 * kSize * kSize;
constexpr double kBrakeForce = 15;  // rad/s
constexpr double kStiffness = 205000 * kSize * kSize;
constexpr double kWheelRadius = 27 * kSize;

struct Corner {
    int x, y;
};

constexpr Corner kWheelPlaces[kWheels] = {{-55, 80}, {55, 80}, {-55, -82}, {55, -82}};
constexpr Corner kWheelShape[] = {{-14, 27}, {14, 27}, {14, -27}, {-14, -27}};
constexpr Corner kHull1[] = {{-60, 130}, {60, 130}, {60, 110}, {-60, 110}};
constexpr Corner kHull2[] = {{-15, 120}, {15, 120}, {20, 20}, {-20, 20}};
constexpr Corner kHull3[] = {{25, 20}, {50, -10}, {50, -40}, {20, -90}, {-20, -90}, {-50, -40}, {-50, -10}, {-25, 20}};
constexpr Corner kHull4[] = {{-50, -120}, {50, -120}, {50, -90}, {-50, -90}};

b2Vec2 vector(double x, double y) {
    return {static_cast<float>(x), static_cast<float>(y)};
}

double sign(double x) {
    return x > 0 ? 1.0 : x < 0 ? -1.0 : 0.0;
}

template <int n>
void add_fixture(b2Body* body, const Corner (&corners)[n], b2FixtureDef& definition) {
    b2Vec2 places[n];
    for (int i = 0; i < n; ++i) places[i] = vector(corners[i].x * kSize, corners[i].y * kSize);
    b2PolygonShape shape;
    shape.Set(places, n);
    definition.shape = &shape;
    body->CreateFixture(&definition);
}

b2Body* make_body(b2World& world, double x, double y, double angle, void* owner) {
    b2BodyDef definition;
    definition.type = b2_dynamicBody;
    definition.position = vector(x, y);
    definition.angle = static_cast<float>(angle);
    definition.userData = owner;
    return world.CreateBody(&definition);
}

}  // namespace

Car::Car(b2World& world, const TrackPoint& at) {
    hull = make_body(world, at.x, at.y, at.beta, nullptr);
    b2FixtureDef part;
    part.density = 1.0f;
    add_fixture(hull, kHull1, part);
    add_fixture(hull, kHull2, part);
    add_fixture(hull, kHull3, part);
    add_fixture(hull, kHull4, part);
    for (int k = 0; k < kWheels; ++k) {
        const double x = kWheelPlaces[k].x * kSize, y = kWheelPlaces[k].y * kSize;
        Wheel& wheel = wheels[k];
        wheel.body = make_body(world, at.x + x, at.y + y, at.beta, &wheel);
        b2FixtureDef tyre;
        tyre.density = 0.1f;
        tyre.filter.categoryBits = 0x0020;
        tyre.filter.maskBits = 0x001;
        add_fixture(wheel.body, kWheelShape, tyre);
        b2RevoluteJointDef joint;
        joint.bodyA = hull;
        joint.bodyB = wheel.body;
        joint.localAnchorA = vector(x, y);
        joint.enableMotor = joint.enableLimit = true;
        joint.maxMotorTorque = static_cast<float>(180 * 900 * kSize * kSize);
        joint.lowerAngle = -0.4f;
        joint.upperAngle = 0.4f;
        wheel.joint = static_cast<b2RevoluteJoint*>(world.CreateJoint(&joint));
    }
}

void Car::control(double steer, double gas, double brake) {
    gas = std::min(std::max(gas, 0.0), 1.0);
    for (int k = 0; k < kWheels; ++k) {
        Wheel& wheel = wheels[k];
        if (k < 2) {
            wheel.steer = -steer;
        } else {
            wheel.gas += std::min(gas - wheel.gas, 0.1);  // the pedal comes down slowly and is let go at once
        }
        wheel.brake = brake;
    }
}

void Car::step(double dt) {
    for (Wheel& wheel : wheels) wheel.step(dt);
}

void Wheel::step(double dt) {
    const double turn = steer - joint->GetJointAngle();
    joint->SetMotorSpeed(static_cast<float>(sign(turn) * std::min(50.0 * std::fabs(turn), 3.0)));
    const double limit = tiles ? kFrictionLimit : kFrictionLimit * 0.6;  // less on grass

    const b2Vec2 forward = body->GetWorldVector(b2Vec2(0, 1)), side = body->GetWorldVector(b2Vec2(1, 0));
    const double fx = forward.x, fy = forward.y, sx = side.x, sy = side.y;
    const double vx = body->GetLinearVelocity().x, vy = body->GetLinearVelocity().y;
    const double forward_speed = fx * vx + fy * vy, side_speed = sx * vx + sy * vy;

    omega += dt * kEnginePower * gas / kInertia / (std::fabs(omega) + 5.0);
    if (brake >= 0.9) {
        omega = 0;
    } else if (brake > 0) {
        omega += -sign(omega) * std::min(kBrakeForce * brake, std::fabs(omega));
    }
    phase += omega * dt;

    double forward_force = (-forward_speed + omega * kWheelRadius) * kStiffness;
    double side_force = -side_speed * kStiffness;
    const double force = std::sqrt(forward_force * forward_force + side_force * side_force);
    if (force > limit) {
        forward_force = forward_force / force * limit;
        side_force = side_force / force * limit;
    }
    omega -= dt * forward_force * kWheelRadius / kInertia;
    body->ApplyForceToCenter(vector(side_force * sx + forward_force * fx, side_force * sy + forward_force * fy), true);
}
