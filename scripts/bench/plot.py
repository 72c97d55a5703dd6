"""Draws messages a second against sessions, as an SVG that needs no other file."""

import math

WIDTH, HEIGHT = 760, 420
LEFT, RIGHT, TOP, BOTTOM = 70, 150, 46, 52
# Told apart by dash and mark as well as by colour, so that black and white will do.
STYLES = [
    ("#1b4f9c", "", "disc"),
    ("#222222", "7 4", "square"),
    ("#b3541e", "2 3", "triangle"),
    ("#2e7d4f", "10 3 2 3", "diamond"),
    ("#7a3b8f", "4 2", "ring"),
]


def mark(kind, x, y, colour):
    if kind == "square":
        return f'<rect x="{x - 4:.1f}" y="{y - 4:.1f}" width="8" height="8" fill="{colour}"/>'
    if kind == "triangle":
        points = f"{x:.1f},{y - 5:.1f} {x - 5:.1f},{y + 4:.1f} {x + 5:.1f},{y + 4:.1f}"
        return f'<polygon points="{points}" fill="{colour}"/>'
    if kind == "diamond":
        points = f"{x:.1f},{y - 6:.1f} {x + 5:.1f},{y:.1f} {x:.1f},{y + 6:.1f} {x - 5:.1f},{y:.1f}"
        return f'<polygon points="{points}" fill="{colour}"/>'
    fill = "white" if kind == "ring" else colour
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4.5" fill="{fill}" stroke="{colour}" stroke-width="2"/>'


def step(most):
    """A round distance between grid lines, so that there are four to eight of them."""
    unit = 10 ** math.floor(math.log10(most))
    return next(unit * f for f in (0.1, 0.2, 0.25, 0.5, 1) if most / (unit * f) <= 8)


def spread(ys, gap, lowest):
    """Moves labels apart that would stand on one another."""
    order = sorted(range(len(ys)), key=ys.__getitem__)
    placed = list(ys)
    for before, here in zip(order, order[1:]):
        placed[here] = max(placed[here], placed[before] + gap)
    for here, after in zip(reversed(order[:-1]), reversed(order)):
        placed[order[-1]] = min(placed[order[-1]], lowest)
        placed[here] = min(placed[here], placed[after] - gap)
    return placed


def draw(series):
    """`series` is a list of (name, {sessions: messages a second})."""
    xs = sorted({x for _, points in series for x in points})
    most = max(y for _, points in series for y in points.values())
    grid = step(most)
    top = math.ceil(most * 1.02 / grid) * grid
    decades = math.log10(xs[-1] / xs[0]) or 1
    at_x = lambda x: LEFT + (WIDTH - LEFT - RIGHT) * math.log10(x / xs[0]) / decades
    at_y = lambda y: HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * y / top
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" '
        f'height="{HEIGHT}" font-family="sans-serif" font-size="13">',
        "  <title>Durable messages a second against the number of sessions</title>",
        f'  <rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'  <text x="{LEFT}" y="24" font-weight="bold">Durable messages a second, of 4 KiB each</text>',
    ]
    y = 0
    while y <= top * 1.001:
        out.append(f'  <line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at_y(y):.1f}" y2="{at_y(y):.1f}" '
                   f'stroke="{"#444" if y == 0 else "#ddd"}"/>')
        out.append(f'  <text x="{LEFT - 8}" y="{at_y(y) + 4:.1f}" text-anchor="end">{y:,.0f}</text>')
        y += grid
    for x in xs:
        out.append(f'  <line x1="{at_x(x):.1f}" x2="{at_x(x):.1f}" y1="{HEIGHT - BOTTOM}" '
                   f'y2="{HEIGHT - BOTTOM + 5}" stroke="#444"/>')
        out.append(f'  <text x="{at_x(x):.1f}" y="{HEIGHT - BOTTOM + 20}" text-anchor="middle">'
                   f"{x:,}</text>")
    out.append(f'  <text x="{(LEFT + WIDTH - RIGHT) / 2:.1f}" y="{HEIGHT - 10}" '
               'text-anchor="middle">sessions at once</text>')
    labels = spread([at_y(points[max(points)]) for _, points in series], 17, HEIGHT - BOTTOM)
    for (name, points), label, style in zip(series, labels, STYLES):
        colour, dash, kind = style
        path = " ".join(f"{at_x(x):.1f},{at_y(points[x]):.1f}" for x in sorted(points))
        dashes = f' stroke-dasharray="{dash}"' if dash else ""
        out.append(f'  <polyline points="{path}" fill="none" stroke="{colour}" '
                   f'stroke-width="2"{dashes}/>')
        out += ["  " + mark(kind, at_x(x), at_y(points[x]), colour) for x in sorted(points)]
        last = max(points)
        x, y = at_x(last), at_y(points[last])
        out.append(f'  <line x1="{x + 7:.1f}" y1="{y:.1f}" x2="{WIDTH - RIGHT + 22}" '
                   f'y2="{label:.1f}" stroke="{colour}" stroke-width="0.7"/>')
        out.append(f'  <text x="{WIDTH - RIGHT + 26}" y="{label + 4:.1f}" fill="{colour}">'
                   f"{name}</text>")
    out.append("</svg>")
    return "\n".join(out) + "\n"
