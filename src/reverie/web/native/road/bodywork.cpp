// The car, drawn pixel by pixel at the window's resolution by pygame's rule and averaged into the cells of the picture
// (see envs/car_racing/car.py).
#include <algorithm>
#include <cmath>
#include <cstring>

#include "cover.h"
#include "picture.h"

namespace {

constexpr int kWidth = 64, kHeight = 96;  // window pixels around the car's place at (500, 200)
constexpr int kLeft = 500 - kWidth / 2, kBottom = 200 - kHeight / 2;
constexpr int kFirstColumn = 44, kFirstRow = 66;  // first cells of that part of the window
constexpr int kCellColumns = 9, kCellRows = 13;

struct Corner {
    int x, y;
};

struct Part {
    int count;
    Corner corners[8];
};

// Box2D keeps a polygon's corners counter-clockwise from the lowest of the rightmost ones; pygame's spans depend on it.
constexpr Part kHullParts[] = {
    {4, {{60, 110}, {60, 130}, {-60, 130}, {-60, 110}}},
    {4, {{20, 20}, {15, 120}, {-15, 120}, {-20, 20}}},
    {8, {{50, -40}, {50, -10}, {25, 20}, {-25, 20}, {-50, -10}, {-50, -40}, {-20, -90}, {20, -90}}},
    {4, {{50, -120}, {50, -90}, {-50, -90}, {-50, -120}}},
};
constexpr double kWheelWidth = 14 * kSize, kWheelRadius = 27 * kSize;
constexpr double kTread = 1.2;  // rad of a wheel's turn that its white mark spans

enum Ink : uint8_t { kNone, kBlack, kWhite, kRed };

Ink pixels[kHeight][kWidth];

// A polygon's corners in pixels of the buffer.
struct Outline {
    int count = 0;
    Corner at[8];
};

// Rows, both included.
struct Rows {
    int first, last;

    Rows with(Rows other) const { return {std::min(first, other.first), std::max(last, other.last)}; }
};

// Fills a convex polygon as pygame.draw.polygon does. Spans include both ends. Of a row's two crossings the one found
// first, in the order of the corners, is rounded down and the other up.
Rows fill(const Outline& outline, Ink ink) {
    struct Span {
        int left = kWidth, right = -1, crossings = 0;
    };
    Span spans[kHeight];
    auto [lowest, highest] = std::minmax_element(outline.at, outline.at + outline.count,
                                                 [](const Corner& a, const Corner& b) { return a.y < b.y; });
    const int lo = lowest->y, hi = highest->y;
    const int first = std::max(lo, 0), last = std::min(hi, kHeight - 1);
    for (int i = 0; i < outline.count; ++i) {
        Corner a = outline.at[i > 0 ? i - 1 : outline.count - 1], b = outline.at[i];
        if (a.y > b.y) std::swap(a, b);
        const int height = b.y - a.y;
        if (height == 0) {
            if (first <= a.y && a.y <= last && ((lo < a.y && a.y < hi) || lo == hi)) {
                spans[a.y].left = std::min({spans[a.y].left, a.x, b.x});
                spans[a.y].right = std::max({spans[a.y].right, a.x, b.x});
            }
            continue;
        }
        const int end = std::min(b.y == hi ? b.y : b.y - 1, kHeight - 1);
        for (int y = std::max(a.y, 0); y <= end; ++y) {
            const int run = (y - a.y) * (b.x - a.x);
            int whole = run / height, rest = run % height;
            if (rest < 0) --whole;
            const int x = a.x + whole + (rest != 0 && spans[y].crossings == 1 ? 1 : 0);
            spans[y].left = std::min(spans[y].left, x);
            spans[y].right = std::max(spans[y].right, x);
            ++spans[y].crossings;
        }
    }
    for (int y = first; y <= last; ++y) {
        for (int x = std::max(spans[y].left, 0); x <= std::min(spans[y].right, kWidth - 1); ++x) pixels[y][x] = ink;
    }
    return {lo, hi};
}

// A body's place, in single precision as in Box2D.
struct Body {
    float x, y, c, s;

    explicit Body(const double* at)
        : x(static_cast<float>(at[0])),
          y(static_cast<float>(at[1])),
          c(std::cos(static_cast<float>(at[2]))),
          s(std::sin(static_cast<float>(at[2]))) {}

    // Adds a corner of the body's shape to an outline.
    void place(Outline& outline, double corner_x, double corner_y, const Camera& camera) const {
        const float u = static_cast<float>(corner_x), v = static_cast<float>(corner_y);
        const Point p = camera.pixel(c * u - s * v + x, s * u + c * v + y);
        outline.at[outline.count++] = {static_cast<int>(p.x) - kLeft, static_cast<int>(p.y) - kBottom};
    }
};

double sign(double x) {
    return x > 0 ? 1.0 : x < 0 ? -1.0 : 0.0;
}

Rows draw_wheel(const double* at, const Camera& camera) {
    const Body body(at);
    Outline tyre;
    body.place(tyre, kWheelWidth, -kWheelRadius, camera);
    body.place(tyre, kWheelWidth, kWheelRadius, camera);
    body.place(tyre, -kWheelWidth, kWheelRadius, camera);
    body.place(tyre, -kWheelWidth, -kWheelRadius, camera);
    const Rows rows = fill(tyre, kBlack);
    const double phase = at[3];
    const double s1 = std::sin(phase), s2 = std::sin(phase + kTread);
    if (s1 > 0 && s2 > 0) return rows;
    double c1 = std::cos(phase), c2 = std::cos(phase + kTread);
    if (s1 > 0) c1 = sign(c1);
    if (s2 > 0) c2 = sign(c2);
    Outline mark;
    body.place(mark, -kWheelWidth, kWheelRadius * c1, camera);
    body.place(mark, kWheelWidth, kWheelRadius * c1, camera);
    body.place(mark, kWheelWidth, kWheelRadius * c2, camera);
    body.place(mark, -kWheelWidth, kWheelRadius * c2, camera);
    fill(mark, kWhite);
    return rows;
}

// A cell's share that the car covers, and that share times red and times green or blue.
struct Cell {
    double covered, red, gray;

    void add(double area, Ink ink) {
        covered += area;
        red += area * (ink == kRed ? 204.0 : ink == kWhite ? 77.0 : 0.0);
        gray += area * (ink == kWhite ? 77.0 : 0.0);
    }
};

Cell cells[kCellRows][kCellColumns];

// Sums runs of one colour into the cells.
void average(Rows rows) {
    for (int y = std::max(rows.first, 0); y <= std::min(rows.last, kHeight - 1); ++y) {
        const double top = (799 - y - kBottom) * kCellY - kFirstRow;
        const int row = static_cast<int>(top);
        const double below = std::max(top + kCellY - (row + 1), 0.0);
        int x = 0;
        while (x < kWidth) {
            const Ink ink = pixels[y][x];
            const int start = x++;
            while (x < kWidth && pixels[y][x] == ink) ++x;
            if (ink == kNone) continue;
            const double left = (start + kLeft) * kCellX - kFirstColumn, right = (x + kLeft) * kCellX - kFirstColumn;
            for (int column = static_cast<int>(left); column < right; ++column) {
                const double width = std::min(right, column + 1.0) - std::max(left, static_cast<double>(column));
                cells[row][column].add(width * (kCellY - below), ink);
                if (below > 0) cells[row + 1][column].add(width * below, ink);
            }
        }
    }
}

}  // namespace

void draw_car(Planes& planes, const double* state) {
    const Camera camera(state);
    std::memset(pixels, kNone, sizeof pixels);
    std::memset(cells, 0, sizeof cells);
    Rows rows{kHeight, 0};
    for (int k = 0; k < kWheels; ++k) rows = rows.with(draw_wheel(state + kWheel + 4 * k, camera));
    const Body hull(state + kHull);
    for (const Part& part : kHullParts) {
        Outline outline;
        for (int i = 0; i < part.count; ++i) {
            hull.place(outline, part.corners[i].x * kSize, part.corners[i].y * kSize, camera);
        }
        rows = rows.with(fill(outline, kRed));
    }
    average(rows);
    for (int row = 0; row < kCellRows; ++row) {
        for (int column = 0; column < kCellColumns; ++column) {
            const Cell& cell = cells[row][column];
            if (cell.covered <= 0) continue;
            auto& plane = planes.rows[row + kFirstRow];
            const double rest = 1.0 - cell.covered;
            for (int c = 0; c < 3; ++c) {
                float& level = plane[c][column + kFirstColumn];
                level = static_cast<float>(level * rest + (c == 0 ? cell.red : cell.gray));
            }
        }
    }
}
