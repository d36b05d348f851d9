from labwright.kit import expect, target

with target() as r1:
    expect.route(r1, "203.0.113.1/32", via="198.51.100.2", protocol="ospf", timeout=90)
