"""An echo server for clients of Engine.IO and Socket.IO, in the shape that the protocols' public suites ask for."""
