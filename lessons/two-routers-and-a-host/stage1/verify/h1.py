from labwright.kit import expect, target

with target() as h1:
    expect.reaches(h1, "203.0.113.1", timeout=90)
