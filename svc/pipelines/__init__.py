"""One file per data flow; plain objects, no grpc."""
