from labwright.kit import expect, target

with target() as r2:
    expect.bgp_established(r2, "198.51.100.1", timeout=90)
    expect.route(r2, "192.0.2.0/24", via="198.51.100.1", protocol="bgp", timeout=30)
