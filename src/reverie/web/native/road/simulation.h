// An episode of CarRacing-v3 (gymnasium/envs/box2d/car_racing.py): contacts, rewards, endings.
#pragma once
#include "car.h"

// The bodies that notice the car, and what they have noticed.
struct Tiles {
    bool visited[kMaxTiles] = {};  // by a wheel
    bool touched[kMaxTiles] = {};  // by any part of the car, which changes the tile's colour

    // The bodies hold pointers to their places in `visited`: the tiles must not move in memory.
    Tiles(b2World& world, const Track& track);
    Tiles(const Tiles&) = delete;

    int index(const b2Body* body) const { return static_cast<int>(static_cast<bool*>(body->GetUserData()) - visited); }
};

class Simulation : b2ContactListener {
    b2World world_;

public:
    explicit Simulation(const Track& track);

    // One frame of 1/50 s without an action, as the last part of a reset.
    void step();

    // One frame with an action; returns its reward.
    double step(double steer, double gas, double brake);

    const Track& track;
    Tiles tiles;
    Car car;
    double time = 0;    // seconds
    double reward = 0;  // of the episode up to now
    int num_visited = 0;
    bool terminated = false;

private:
    double reward_before_ = 0;
    bool new_lap_ = false;

    void contact(b2Contact* contact, bool begins);
    void BeginContact(b2Contact* contact) override { this->contact(contact, true); }
    void EndContact(b2Contact* contact) override { this->contact(contact, false); }
};
