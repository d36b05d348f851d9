from labwright.kit import expect, target

with target() as h1:
    expect.reaches(h1, "192.0.2.1")
