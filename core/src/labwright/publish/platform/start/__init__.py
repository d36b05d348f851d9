"""What runs in the container: standard library only, packed into a layer of its own. The only other module of ours
that may be imported here is labwright.host.text, which is packed with it."""
