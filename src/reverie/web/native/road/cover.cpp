#include "cover.h"

#include <algorithm>

template <int channels>
void Cover<channels>::put(int row, int column, double area, const double (&weights)[channels]) {
    for (int k = 0; k < channels; ++k) {
        float& sum = areas[row][k][column];
        sum = static_cast<float>(sum + area * weights[k]);
    }
}

// The signed area below one edge (cell coordinates): positive where it runs to the right.
template <int channels>
void Cover<channels>::add_edge(Point from, Point to, const double (&weights)[channels]) {
    if (from.x == to.x) return;
    double sign = 1.0;
    if (from.x > to.x) {
        std::swap(from, to);
        sign = -1.0;
    }
    auto [x0, y0] = from;
    double x1 = to.x;
    if (x1 <= 0.0 || x0 >= kColumns || (y0 >= kRows && to.y >= kRows)) return;
    const double slope = (to.y - y0) / (x1 - x0);
    if (x0 < 0.0) {
        y0 -= x0 * slope;
        x0 = 0.0;
    }
    x1 = std::min(x1, static_cast<double>(kColumns));
    double x = x0, y = y0;
    int column = static_cast<int>(x0);
    while (x < x1) {
        const double right = std::min(column + 1.0, x1);
        const double width = right - x;
        const double after = y + slope * width;
        const double area = width * sign;
        double lo = y < after ? y : after, hi = y < after ? after : y;
        if (hi <= 0.0) {
            put(0, column, area, weights);
        } else if (lo < kRows) {
            const int first = static_cast<int>(std::max(lo, 0.0));
            if (lo >= 0.0 && hi <= first + 1.0) {  // the common case: within one cell
                const double rest = area * (0.5 * (lo + hi) - first);
                put(first, column, area - rest, weights);
                put(first + 1, column, rest, weights);
            } else {
                const double per = area / (hi - lo);
                if (lo < 0.0) {
                    put(0, column, per * -lo, weights);
                    lo = 0.0;
                }
                hi = std::min(hi, static_cast<double>(kRows));
                for (int cell = first; lo < hi; ++cell) {
                    const double end = std::min(cell + 1.0, hi);
                    const double part = per * (end - lo);
                    const double rest = part * (0.5 * (lo + end) - cell);
                    put(cell, column, part - rest, weights);
                    put(cell + 1, column, rest, weights);
                    lo = end;
                }
            }
        }
        x = right;
        y = after;
        ++column;
    }
}

template <int channels>
void Cover<channels>::add(Point a, Point b, Point c, Point d, const double (&weights)[channels]) {
    for (Point* p : {&a, &b, &c, &d}) *p = {p->x * kCellX, (800 - p->y) * kCellY};
    if (std::max({a.x, b.x, c.x, d.x}) <= 0.0 || std::min({a.x, b.x, c.x, d.x}) >= kColumns) return;
    if (std::max({a.y, b.y, c.y, d.y}) <= 0.0 || std::min({a.y, b.y, c.y, d.y}) >= kRows) return;
    // turn it so that its upper side runs to the right
    if ((c.x - a.x) * (d.y - b.y) < (c.y - a.y) * (d.x - b.x)) std::swap(b, d);
    add_edge(a, b, weights);
    add_edge(b, c, weights);
    add_edge(c, d, weights);
    add_edge(d, a, weights);
}

template struct Cover<2>;
template struct Cover<4>;
