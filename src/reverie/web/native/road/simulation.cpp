#include "simulation.h"

#include <cmath>

namespace {

constexpr double kFrame = 1.0 / 50;       // seconds
constexpr double kField = 2000 / kScale;  // half of the playfield's side
constexpr double kLapShare = 0.95;        // of the tiles, which make a lap

b2Vec2 vector(double x, double y) {
    return {static_cast<float>(x), static_cast<float>(y)};
}

}  // namespace

Tiles::Tiles(b2World& world, const Track& track) {
    for (int i = 0; i < track.count; ++i) {
        const Edge& edge = track.edges[i];
        const Edge& before = track.edges[i > 0 ? i - 1 : track.count - 1];
        const b2Vec2 corners[] = {
            vector(edge.left_x, edge.left_y),
            vector(edge.right_x, edge.right_y),
            vector(before.right_x, before.right_y),
            vector(before.left_x, before.left_y),
        };
        b2PolygonShape shape;
        shape.Set(corners, 4);
        b2FixtureDef fixture;
        fixture.shape = &shape;
        fixture.isSensor = true;
        b2BodyDef body;
        body.userData = visited + i;
        world.CreateBody(&body)->CreateFixture(&fixture);
    }
}

Simulation::Simulation(const Track& track)
    : world_(b2Vec2(0, 0)), track(track), tiles(world_, track), car(world_, track.points[0]) {
    world_.SetContactListener(this);
}

void Simulation::step() {
    car.step(kFrame);
    world_.Step(static_cast<float>(kFrame), 6 * 30, 2 * 30);
    time += kFrame;
}

double Simulation::step(double steer, double gas, double brake) {
    car.control(steer, gas, brake);
    step();
    reward -= 0.1;
    double gained = reward - reward_before_;
    reward_before_ = reward;
    terminated = num_visited == track.count || new_lap_;
    const b2Vec2 place = car.hull->GetPosition();
    if (std::fabs(place.x) > kField || std::fabs(place.y) > kField) {
        terminated = true;
        gained = -100;
    }
    return gained;
}

void Simulation::contact(b2Contact* contact, bool begins) {
    const b2Body* tile = contact->GetFixtureA()->GetBody();
    const b2Body* part = contact->GetFixtureB()->GetBody();
    if (tile->GetType() != b2_staticBody) std::swap(tile, part);
    if (tile->GetType() != b2_staticBody) return;
    const int i = tiles.index(tile);
    tiles.touched[i] = true;
    Wheel* wheel = static_cast<Wheel*>(part->GetUserData());
    if (!wheel) return;  // the hull
    wheel->tiles += begins ? 1 : -1;
    if (!begins || tiles.visited[i]) return;
    tiles.visited[i] = true;
    reward += 1000.0 / track.count;
    ++num_visited;
    if (i == 0 && static_cast<double>(num_visited) / track.count > kLapShare) new_lap_ = true;
}
