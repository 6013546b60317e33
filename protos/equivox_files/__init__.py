"""What an audio file says of itself, read before it is decoded: client and server check files alike, without numpy."""
