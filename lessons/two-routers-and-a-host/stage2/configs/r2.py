from labwright import kit

with kit.target() as router:
    router.apply(kit.load_node(kit.lesson("models/r2.yaml")))
