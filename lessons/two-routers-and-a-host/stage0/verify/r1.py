from labwright.kit import expect, target

with target() as r1:
    expect.reaches(r1, "192.0.2.10")
    expect.reaches(r1, "198.51.100.2")
