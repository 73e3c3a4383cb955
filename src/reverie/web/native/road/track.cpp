#include "track.h"

#include <algorithm>
#include <cmath>

namespace {

constexpr int kCheckpoints = 12;
constexpr int kMaxPoints = 2500;
constexpr int kBorderMinCount = 4;
constexpr double kTrackRad = 900 / kScale;
constexpr double kDetailStep = 21 / kScale;
constexpr double kTurnRate = 0.31;
constexpr double kStartAlpha = 2 * kPi * (-0.5) / kCheckpoints;

struct Checkpoint {
    double alpha, x, y;
};

double sign(double x) {
    return x > 0 ? 1.0 : x < 0 ? -1.0 : 0.0;
}

void draw_checkpoints(Generator& generator, Checkpoint* found) {
    for (int c = 0; c < kCheckpoints; ++c) {
        double noise = generator.uniform(0.0, 2 * kPi * 1 / kCheckpoints);
        double alpha = 2 * kPi * c / kCheckpoints + noise;
        double rad = generator.uniform(kTrackRad / 3, kTrackRad);
        if (c == 0) {
            alpha = 0.0;
            rad = 1.5 * kTrackRad;
        }
        if (c == kCheckpoints - 1) {
            alpha = 2 * kPi * c / kCheckpoints;
            rad = 1.5 * kTrackRad;
        }
        found[c] = {alpha, rad * std::cos(alpha), rad * std::sin(alpha)};
    }
}

// Steers from checkpoint to checkpoint for five laps; returns the number of points.
int drive_through(const Checkpoint* checkpoints, TrackPoint* points) {
    double x = 1.5 * kTrackRad, y = 0.0, beta = 0.0;
    int dest = 0, laps = 0, count = 0;
    bool visited_other_side = false;
    while (count < kMaxPoints) {
        double alpha = std::atan2(y, x);
        if (visited_other_side && alpha > 0) {
            ++laps;
            visited_other_side = false;
        }
        if (alpha < 0) {
            visited_other_side = true;
            alpha += 2 * kPi;
        }
        while (alpha > checkpoints[dest % kCheckpoints].alpha) {  // the next checkpoint in front
            ++dest;
            if (dest % kCheckpoints == 0) alpha -= 2 * kPi;
        }
        double r1x = std::cos(beta), r1y = std::sin(beta);
        const Checkpoint& next = checkpoints[dest % kCheckpoints];
        double proj = r1x * (next.x - x) + r1y * (next.y - y);
        while (beta - alpha > 1.5 * kPi) beta -= 2 * kPi;
        while (beta - alpha < -1.5 * kPi) beta += 2 * kPi;
        double before = beta;
        proj *= kScale;
        if (proj > 0.3) beta -= std::min(kTurnRate, std::fabs(0.001 * proj));
        if (proj < -0.3) beta += std::min(kTurnRate, std::fabs(0.001 * proj));
        x += -r1y * kDetailStep;
        y += r1x * kDetailStep;
        points[count++] = {alpha, before * 0.5 + beta * 0.5, x, y};
        if (laps > 4) break;
    }
    return count;
}

// The last full lap: its first point, and the one after its end. False where there is none.
bool closed_loop(const TrackPoint* points, int count, int& first, int& last) {
    last = -1;
    for (int i = count - 1; i > 0; --i) {
        if (points[i].alpha > kStartAlpha && points[i - 1].alpha <= kStartAlpha) {
            if (last < 0) {
                last = i;
            } else {
                first = i;
                return true;
            }
        }
    }
    return false;
}

bool glued_together(const TrackPoint& head, const TrackPoint& tail) {
    double x = std::cos(head.beta) * (head.x - tail.x);
    double y = std::sin(head.beta) * (head.y - tail.y);
    return std::sqrt(x * x + y * y) <= kDetailStep;
}

// Kerbs: on hard turns, and on a few tiles before them.
void place_kerbs(Track& track) {
    const int n = track.count;
    bool kerb[kMaxTiles] = {};
    auto before = [n](int i, int steps) { return (i - steps + n) % n; };
    auto turn = [&](int i) { return track.points[i].beta - track.points[before(i, 1)].beta; };
    for (int i = 0; i < n; ++i) {
        bool good = true;
        double side = 0;
        for (int k = 0; k < kBorderMinCount; ++k) {
            double beta = turn(before(i, k));
            good &= std::fabs(beta) > kTurnRate * 0.2;
            side += sign(beta);
        }
        kerb[i] = good && std::fabs(side) == kBorderMinCount;
    }
    // In this order a tile's own mark travels on, as in Gymnasium, where the track's first tiles mark its last ones.
    for (int i = 0; i < n; ++i) {
        for (int k = 0; k < kBorderMinCount; ++k) kerb[before(i, k)] |= kerb[i];
    }
    for (int i = 0; i < n; ++i) track.kerbs[i] = kerb[i] ? static_cast<signed char>(sign(-turn(i))) : 0;
}

void place_edges(Track& track) {
    for (int i = 0; i < track.count; ++i) {
        const TrackPoint& p = track.points[i];
        double c = kTrackWidth * std::cos(p.beta), s = kTrackWidth * std::sin(p.beta);
        track.edges[i] = {p.x - c, p.y - s, p.x + c, p.y + s};
    }
}

}  // namespace

void make_track(Generator& generator, Track& track) {
    static TrackPoint points[kMaxPoints];
    for (;;) {
        Checkpoint checkpoints[kCheckpoints];
        draw_checkpoints(generator, checkpoints);
        int first, last;
        int count = drive_through(checkpoints, points);
        if (!closed_loop(points, count, first, last)) continue;
        track.count = last - 1 - first;
        if (track.count > kMaxTiles) __builtin_trap();
        if (!glued_together(points[first], points[last - 2])) continue;
        std::copy(points + first, points + last - 1, track.points);
        place_edges(track);
        place_kerbs(track);
        return;
    }
}
