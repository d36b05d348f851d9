from labwright import kit

with kit.target() as router:
    router.apply("models/r2.yaml")
