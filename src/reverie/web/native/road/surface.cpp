#include "surface.h"

#include <cmath>

namespace {

constexpr double kField = 2000 / 6.0;               // half the field's side, world units
constexpr double kPatch = kField / 20;
constexpr double kKerbRatio = 0.5 * 8.0 / 40.0;     // a kerb's width over the road's
constexpr double kFar = 1e9;

Point operator+(Point a, Point b) {
    return {a.x + b.x, a.y + b.y};
}

Point operator-(Point a, Point b) {
    return {a.x - b.x, a.y - b.y};
}

Point operator*(double k, Point a) {
    return {k * a.x, k * a.y};
}

Point operator-(Point a) {
    return {-a.x, -a.y};
}

// A rectangle along the world's axes; x1 > x0, y1 > y0.
void add_square(Cover<2>& cover, double x0, double y0, double x1, double y1, const Camera& camera,
                const double (&weights)[2]) {
    const double c = camera.c, s = camera.s;
    const double e = fat(c, s), n = fat(-s, c);
    const Point u{e * c - n * s, e * s + n * c};  // outwards at (x1, y1)
    const Point v{e * c + n * s, e * s - n * c};  // outwards at (x1, y0)
    cover.add(camera.pixel(x1, y1) + u, camera.pixel(x1, y0) + v, camera.pixel(x0, y0) - u, camera.pixel(x0, y1) - v,
              weights);
}

// A track point in pixels: the road's left and right end, how far it is drawn beyond them, and how far its joint with
// the next tile is shifted.
struct Line {
    Point left, right, side, joint;
};

Line lines[kMaxTiles];

void place_lines(const Track& track, const Camera& camera) {
    const double reach = 810.0 / camera.zoom + 20.0;
    for (int i = 0; i < track.count; ++i) {
        const Edge& edge = track.edges[i];
        Line& line = lines[i];
        if (std::fabs(edge.left_x - camera.car_x) > reach || std::fabs(edge.left_y - camera.car_y) > reach) {
            line.left.x = kFar;
            continue;
        }
        line.left = camera.pixel(edge.left_x, edge.left_y);
        line.right = camera.pixel(edge.right_x, edge.right_y);
        const double dx = edge.right_x - edge.left_x, dy = edge.right_y - edge.left_y;
        double ux = dx * camera.c - dy * camera.s, uy = dx * camera.s + dy * camera.c;
        const double inverse = 1.0 / std::sqrt(ux * ux + uy * uy);
        ux *= inverse;
        uy *= inverse;
        const double side = fat(ux, uy);
        line.side = {ux * side, uy * side};
        // The joint lies behind the line, as the next tile is drawn later; only the last tile overlaps its successor.
        const double along = i == track.count - 1 ? fat(uy, ux) : -fat(uy, ux);
        line.joint = {-uy * along, ux * along};
    }
}

// Outer corner of a kerb at a track point; `side` is -1 on the left, 1 on the right.
Point outer(const Edge& edge, int side, const Camera& camera) {
    const double r = side * kKerbRatio;
    const double x = side > 0 ? edge.right_x : edge.left_x, y = side > 0 ? edge.right_y : edge.left_y;
    return camera.pixel(x + r * (edge.right_x - edge.left_x), y + r * (edge.right_y - edge.left_y));
}

// The kerb of tile i, between lines i and j.
void add_kerb(Cover<4>& cover, const Track& track, int i, int j, const Camera& camera) {
    const int n = track.count, side = track.kerbs[i];
    const bool last = i < n - 1 && track.kerbs[i + 1] != side;   // no kerb follows
    const bool first = i == 0 && track.kerbs[n - 1] != side;     // none precedes where the lap closes
    const Point here = last ? -lines[i].joint : lines[i].joint, there = first ? -lines[j].joint : lines[j].joint;
    const Point s = static_cast<double>(side) * lines[i].side, o = static_cast<double>(side) * lines[j].side;
    const Point near = side > 0 ? lines[i].right : lines[i].left, far = side > 0 ? lines[j].right : lines[j].left;
    const double other = i % 2 == 0 ? 255.0 : 0.0;
    cover.add(near - s + here, outer(track.edges[i], side, camera) + s + here,
              outer(track.edges[j], side, camera) + o + there, far - o + there, {1.0, 255.0, other, other});
}

}  // namespace

void add_ground(Cover<2>& cover, const Camera& camera) {
    const double reach = 790.0 / camera.zoom;  // beyond the window's farthest corner
    if (std::fabs(camera.car_x) + reach < kField && std::fabs(camera.car_y) + reach < kField) {
        for (float& area : cover.areas[0][0]) area = 1.0f;
    } else {
        add_square(cover, -kField, -kField, kField, kField, camera, {1.0, 0.0});
    }
    const double c = camera.c, s = camera.s, zoom = camera.zoom;
    const double half = 0.5 * kPatch * (std::fabs(c) + std::fabs(s)) + 2.0 / zoom;
    for (int i = -20; i < 20; i += 2) {
        const double x = kPatch * i, dx = x + 0.5 * kPatch - camera.car_x;
        if (std::fabs(dx) > reach + kPatch) continue;
        for (int j = -20; j < 20; j += 2) {
            const double y = kPatch * j, dy = y + 0.5 * kPatch - camera.car_y;
            if (std::fabs(dx * c - dy * s) > 500.0 / zoom + half) continue;
            if (std::fabs(dx * s + dy * c - 250.0 / zoom) > 350.0 / zoom + half) continue;
            add_square(cover, x, y, x + kPatch, y + kPatch, camera, {0.0, 1.0});
        }
    }
}

int shade(const Tiles& tiles, int i) {
    return tiles.touched[i] ? 102 : static_cast<int>(102 + 0.01 * (i % 3) * 255);
}

void add_road(Cover<4>& cover, const Simulation& simulation, const Camera& camera) {
    const Track& track = simulation.track;
    place_lines(track, camera);
    for (int i = 0; i < track.count; ++i) {
        const int j = i > 0 ? i - 1 : track.count - 1;
        if (lines[i].left.x == kFar || lines[j].left.x == kFar) continue;
        const int side = track.kerbs[i];
        // the kerb hides a strip of its tile
        const double left = side < 0 ? -1.0 : 1.0, right = side > 0 ? -1.0 : 1.0;
        const double gray = shade(simulation.tiles, i);
        cover.add(lines[i].left - left * lines[i].side + lines[i].joint,
                  lines[i].right + right * lines[i].side + lines[i].joint,
                  lines[j].right + right * lines[j].side + lines[j].joint,
                  lines[j].left - left * lines[j].side + lines[j].joint, {1.0, gray, gray, gray});
        if (side != 0) add_kerb(cover, track, i, j, camera);
    }
}
