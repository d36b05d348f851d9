"""An OCI registry (distribution specification 1.1): references, credentials, blobs that resume, manifests."""
